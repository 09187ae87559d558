"""The overrides of a command line that has one value for each, as a file of ``conf/experiment``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import OverrideParseException

from triptych.command.compose import GROUPS
from triptych.types import ConfigurationError

# What says who watches a run, and where it lies, is no part of an experiment.
LEFT_OUT = ("logger", "callbacks", "seed", "run_dir", "fresh", "tags", "task_name", "debug")


def parse_fixed(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides.

    Raises:
        ConfigurationError: one takes a key away, has several values, or is Hydra's own.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        raise ConfigurationError(f"{error.override} cannot be read as key=value; quote special characters.") from error
    for one in parsed:
        if one.key_or_group.startswith("hydra"):
            raise ConfigurationError(f"{one.input_line} is not allowed here: it is Hydra's own and no run's setting.")
        if one.is_delete() or one.is_sweep_override():
            raise ConfigurationError(f"{one.input_line} is not allowed here: every key takes one value.")
    return parsed


def as_override(key: str, value: Any) -> str:
    """Write a key and its plain value as an override."""
    if isinstance(value, str) and not re.fullmatch(r"[\w./:-]+", value, re.ASCII):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"{key}='{escaped}'"
    return f"{key}={str(value).lower() if isinstance(value, bool) else value}"


def experiment_text(overrides: Sequence[str], comment: str) -> str:
    """Write the overrides as a file of ``conf/experiment``, with a comment at its top.

    Raises:
        ConfigurationError: see `parse_fixed`.
    """
    experiments: list[Any] = []
    chosen: dict[str, str] = {}
    keys: dict[str, Any] = {}
    for one in parse_fixed(overrides):
        key, value = one.key_or_group, _plain(one.value())
        if key.partition(".")[0] in LEFT_OUT:
            continue
        if key == "experiment":
            experiments.append(value)
        elif key in GROUPS:
            chosen[f"override /{key}"] = value
        else:
            _set(keys, key.split("."), value)
    defaults = [*experiments, "_self_", *({group: option} for group, option in chosen.items())]
    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    text = yaml.safe_dump({"defaults": defaults} | keys, sort_keys=False, allow_unicode=True)
    return f"# @package _global_\n{lines}{text}"


def _set(node: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        node = node.setdefault(name, {})
    node[path[-1]] = value


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
