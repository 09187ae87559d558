"""The settings of a composed configuration: by their keys, as they are dealt to constructors, and as they are shown."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from triptych.provenance.identity import leaves
from triptych.types import ConfigurationError

CLASSES = ("module", "data")  # keys of algo that name its classes
NETWORK = "algo.network"  # a component of its own: its settings are dealt to no other constructor


class Setting(NamedTuple):
    """One value of a configuration."""

    key: str  # where it is written: elsewhere than it is used, if it is an interpolation of another key
    value: Any


def algo_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of the algorithm by the last part of their keys, as they are dealt to its classes."""
    return {name: setting.value for name, setting in flat_settings(cfg).items()}


def settings_of(cfg: DictConfig, node: str = "") -> dict[str, Setting]:
    """Return what a node holds, by key; nodes in it as plain data. Nothing where it is no node."""
    found = OmegaConf.select(cfg, node) if node else cfg
    if not OmegaConf.is_dict(found):
        return {}
    raw = OmegaConf.to_container(found, resolve=False)
    values = OmegaConf.to_container(found, resolve=True)
    return {key: Setting(_written_at(raw[key]) or f"{node}.{key}".strip("."), values[key]) for key in raw}  # type: ignore


def _written_at(raw: Any) -> str | None:
    """Return the key that a value such as ``${protocol.frame_skip}`` takes as it is."""
    is_plain = isinstance(raw, str) and raw.startswith("${") and raw.endswith("}") and raw.count("{") == 1
    return raw[2:-1] if is_plain and ":" not in raw else None


def flat_settings(cfg: DictConfig, node: str = "algo") -> dict[str, Setting]:
    """Return the settings of a node and of those in it by the last part of their keys.

    Raises:
        ConfigurationError: two of them have one name.
    """
    found: dict[str, Setting] = {}
    for key, setting in settings_of(cfg, node).items():
        if node == "algo" and key in CLASSES:
            continue
        is_node = isinstance(setting.value, dict) and f"{node}.{key}" != NETWORK
        inner = flat_settings(cfg, f"{node}.{key}") if is_node else {key: setting}
        for name in found.keys() & inner.keys():
            raise ConfigurationError(f"{inner[name].key} and {found[name].key} have one name; rename one of them.")
        found |= inner
    return found


def check_complete(cfg: DictConfig) -> None:
    """Refuse what cannot be resolved, and what nobody has given."""
    try:
        values = dict(leaves(OmegaConf.to_container(cfg, resolve=True)))
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        where = "{}={} cannot be resolved: ".format(*_source(cfg, key)) if key else ""
        raise ConfigurationError(f"{where}{str(error).splitlines()[0]}.") from error
    for key, value in values.items():
        if value == "???":
            raise ConfigurationError(f"{key} has no value; give it on the command line as {key}=...")
        # What a later reader of the folder would take for another key's value.
        if isinstance(value, str) and "${" in value and _written_at(written(cfg, key)) is None:
            raise ConfigurationError(f"{key}={value} is not allowed: a text holds no ${{.")


def written(cfg: DictConfig, key: str) -> Any:
    """Return a setting as it is written, with its interpolations."""
    node: Any = OmegaConf.to_container(cfg, resolve=False)
    for name in key.split("."):
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _source(cfg: DictConfig, key: str) -> tuple[str, Any]:
    """Return the setting from which another is taken, ``${other}``, as far as that is an interpolation, too."""
    passed = {key}
    while (found := re.fullmatch(r"\$\{([\w.]+)\}", str(written(cfg, key)))) and found[1] not in passed:
        if "${" not in str(written(cfg, found[1])):
            break
        key = found[1]
        passed.add(key)
    return key, written(cfg, key)


def show(value: Any) -> str:
    """Write a value as it is written on a command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    has_fraction = isinstance(value, float) and not value.is_integer()  # 50000.0 is shown as it is: no whole number
    return f"{value:g}" if has_fraction else str(value)
