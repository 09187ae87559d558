"""The check of one job: every key goes to a constructor, and every value is what its keyword asks for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, OmegaConf

from triptych.algos.base import Algorithm
from triptych.callbacks.checkpoint import RunCheckpoint
from triptych.callbacks.metrics import Metrics
from triptych.command.compose import GROUPS
from triptych.command.habits import HABITS, instead
from triptych.command.settings import (
    CLASSES,
    NETWORK,
    Setting,
    check_complete,
    flat_settings,
    settings_of,
    show,
    written,
)
from triptych.command.signatures import Keyword, allows, describe, find, signature_of
from triptych.command.suggest import unknown
from triptych.data.datamodule import EnvironmentDataModule
from triptych.data.evaluation import EvaluationPlan
from triptych.envs.extras import require_extra
from triptych.networks.choice import Network
from triptych.provenance.hardware import Hardware
from triptych.types import ConfigurationError
from triptych.types.bounds import Count, Positive, Seed


class TopLevel(NamedTuple):
    """The settings that are in no node."""

    seed: Seed
    total_frames: Count
    fresh: bool
    stop_when_solved: bool
    run_dir: str | None
    # Settings of the algorithm that a patch has for those that know them; in earlier versions a list of keys.
    where_known: dict[str, bool] | list[str]
    # Folders of earlier versions go without these.
    needs: dict[str, str] | None = None  # settings of the algorithm that a patch needs, with what to type instead
    ckpt_path: str | None = None
    train: bool = True
    test: bool = True
    tags: list[str] | None = None
    task_name: str | None = None
    total_minutes: Positive | None = None


class Shown(NamedTuple):
    """The flags of ``callbacks``."""

    progress: bool
    video: bool


class Protocol(NamedTuple):
    """The settings of ``protocol`` that no environment reads."""

    name: str
    total_frames: Count
    clip_rewards: bool
    life_loss_is_terminal: bool


# Which constructor takes the settings of a node, but for algo and env, which name theirs.
CONSTRUCTORS = {
    "eval": EvaluationPlan,
    "checkpoint": RunCheckpoint,
    "trainer": Hardware,
    "callbacks.metrics": Metrics,
    "callbacks": Shown,
}
NODES = (*GROUPS, "eval", "checkpoint")
# Keywords that the run gives: no settings of an algorithm.
GIVEN = frozenset(
    {"spec", "make_game", "actor", "seed", "turn", "evaluation", "directory", "device", "reach", "total_frames"}
    | {"num_newest", "clip_rewards", "life_loss_is_terminal", "largest_return", "largest_reward", "largest_value"}
)
# Of which each process of a run has its share.
SHARED = ("num_envs", "batch_size", "capacity_env_steps", "reservoir_capacity")
PATCHES = {"experiment", "tuned", "debug"}  # groups whose files override single keys


def check_job(cfg: DictConfig) -> None:
    """Check a whole configuration.

    Raises:
        ConfigurationError: one sentence about the first thing that is wrong, with the key, the value and the way out.
    """
    for name in GROUPS:
        if not OmegaConf.is_dict(OmegaConf.select(cfg, name, throw_on_resolution_failure=False)):
            raise ConfigurationError(f"{name} is no node of keys; choose one by its name, whose file holds keys.")
    for name, constructor in CONSTRUCTORS.items():
        value = OmegaConf.select(cfg, name, throw_on_resolution_failure=False)
        if value is not None:
            _check_is_node(name, value, next(key for key in signature_of(constructor).keywords if key not in GIVEN))
    for name in PATCHES & {str(key) for key in cfg}:
        raise ConfigurationError(
            f"{name}=... has put its keys below {name}: the file must begin with the line `# @package _global_`, and "
            "hold keys of the configuration."
        )
    if "num_envs" not in cfg.algo:
        raise ConfigurationError(
            "algo.num_envs cannot be left out; begin an algorithm's file of your own with `defaults: [dqn, _self_]`."
        )
    if written(cfg, "env.num_envs") is None:
        raise ConfigurationError(
            "env.num_envs cannot be left out; begin the file of an env of your own with `defaults: [gym, _self_]`."
        )
    _check_protocol_fits(cfg)
    check_complete(cfg)
    settings = {key: one for key, one in settings_of(cfg).items() if key not in NODES}
    _check("", settings, signature_of(TopLevel).keywords, "the configuration")
    for node, constructor in CONSTRUCTORS.items():
        settings = {key: one for key, one in settings_of(cfg, node).items() if key not in ("metrics", "extra")}
        keywords = signature_of(constructor).keywords
        _check(node, settings, {key: one for key, one in keywords.items() if key != "directory"}, node)
    _check_env_and_protocol(cfg)
    _check_algo(cfg)
    if not cfg.get("train", True) and not cfg.get("test", True):
        raise ConfigurationError("train=false test=false leaves nothing to do; leave one of them out.")
    for node in ("logger", "callbacks.extra"):
        named = OmegaConf.select(cfg, node) or {}
        if not OmegaConf.is_dict(named) and named:
            raise ConfigurationError(f"{node}={named} is not allowed: it takes a node for each name, with a _target_.")
        for name in named:
            _check_target(cfg, f"{node}.{name}")


def _check_protocol_fits(cfg: DictConfig) -> None:
    name = cfg.protocol.get("name")
    is_atari = str(cfg.env.get("_target_")).startswith("triptych.envs.atari.")
    if is_atari == (name == "none"):
        allowed = "nature, machado or atari100k" if is_atari else "none"
        raise ConfigurationError(f"protocol={name} does not fit this env; it takes protocol={allowed}.")


def _check_env_and_protocol(cfg: DictConfig) -> None:
    if isinstance(cfg.env.get("id"), str):
        require_extra(cfg.env.id)
    settings = settings_of(cfg, "env")
    constructor = find(settings.pop("_target_", Setting("", "???")).value, "env._target_")
    _check("env", settings, signature_of(constructor).keywords, f"env ({cfg.env._target_})")
    protocol = settings_of(cfg, "protocol")
    # The environment reads the protocol where it has no value of its own, as in the configuration of a run's folder.
    read = {setting.key for setting in settings.values()} | {f"protocol.{key}" for key in settings}
    protocol = {key: one for key, one in protocol.items() if f"protocol.{key}" not in read}
    keywords = {key: one for key, one in signature_of(Protocol).keywords.items() if f"protocol.{key}" not in read}
    _check("protocol", protocol, keywords, "protocol")


def _check_algo(cfg: DictConfig) -> None:
    for key in CLASSES:
        if key not in cfg.algo:
            raise ConfigurationError(f"algo.{key} cannot be left out; it is the dotted name of a class.")
    for key, base in zip(CLASSES, (Algorithm, EnvironmentDataModule), strict=True):
        found = find(cfg.algo[key], f"algo.{key}")
        if not (inspect.isclass(found) and issubclass(found, base)):
            raise ConfigurationError(
                f"algo.{key}={cfg.algo[key]} does not fit: it takes a class that inherits from "
                f"{base.__module__}.{base.__name__}."
            )
    signatures = [signature_of(find(cfg.algo[key], f"algo.{key}")) for key in CLASSES]
    keywords = {name: one for signature in signatures for name, one in signature.all_keywords.items()}
    for part, signature in ((part, inner) for one in signatures for part, inner in one.parts.items()):
        if cfg.algo.get(part) is not None:
            _check_is_node(f"algo.{part}", cfg.algo[part], "name")
        elif part in cfg.algo:  # algo.replay=null: the class says whether it can do without
            keywords |= {name: one._replace(is_required=False) for name, one in signature.all_keywords.items()}
    for name in GIVEN:
        keywords.pop(name, None)
    _check_network(cfg, is_taken="network" in keywords)
    for name, way_out in (cfg.get("needs") or {}).items():
        if name not in keywords:
            raise ConfigurationError(f"algo ({cfg.algo.module}) has no algo.{name}: {way_out}.")
    known = cfg.where_known
    listed = [key for key, is_so in known.items() if is_so] if OmegaConf.is_dict(known) else known
    optional = {str(key).rpartition(".")[2] for key in listed}
    settings = {
        name: setting
        for name, setting in flat_settings(cfg).items()
        # A preset does without a setting of its base by null; a patch names those that not every algorithm has.
        if name in keywords or (setting.value is not None and name not in optional)
    }
    if any(signature.is_open for signature in signatures):
        settings = {name: setting for name, setting in settings.items() if name in keywords}
    settings.setdefault("num_envs", Setting("env.num_envs", cfg.env.num_envs))
    _check("algo", settings, keywords, f"algo ({cfg.algo.module}, {cfg.algo.data})")
    capacity, batch_size = settings.get("capacity_env_steps"), settings.get("batch_size")
    if capacity is None or capacity.value is None or batch_size is None:  # no replay, or none with batches
        pass
    elif capacity.value < batch_size.value:
        raise ConfigurationError(
            f"{capacity.key}={capacity.value} is smaller than {batch_size.key}={batch_size.value}; "
            "a replay must hold at least one batch."
        )
    devices = cfg.trainer.devices
    if devices > 1 and find(cfg.algo.module, "algo.module").learns_in_one_process:
        raise ConfigurationError(
            f"trainer.devices={devices} does not fit: {cfg.algo.module} learns in one process; use trainer.devices=1."
        )
    for name in settings.keys() & SHARED:
        if settings[name].value is not None and settings[name].value % devices:
            raise ConfigurationError(
                f"{settings[name].key}={settings[name].value} cannot be shared by trainer.devices={devices}; "
                f"choose a multiple of {devices}."
            )


def _check_is_node(name: str, value: Any, example: str) -> None:
    if not OmegaConf.is_dict(value):
        raise ConfigurationError(
            f"{name}={show(value)} is not allowed: {name} is a node of keys; give one of them, as {name}.{example}=..."
        )


def _check_network(cfg: DictConfig, is_taken: bool) -> None:
    """Check ``algo.network``: the settings of `Network`, or a ``_target_`` of the user's own and its keywords."""
    node = cfg.algo.get("network")
    if node is None:
        return
    if not is_taken:
        raise ConfigurationError(f"{NETWORK} does not fit: {cfg.algo.module} makes its networks itself; leave it out.")
    _check_is_node(NETWORK, node, "torso")
    if "_target_" in node:
        if "torso" in node and "torso" not in signature_of(find(node["_target_"], f"{NETWORK}._target_")).keywords:
            raise ConfigurationError(
                f"{NETWORK}.torso={node.torso} does not go with a network of your own; take it out by ~{NETWORK}.torso."
            )
        _check_target(cfg, NETWORK)
    else:
        _check(NETWORK, settings_of(cfg, NETWORK), signature_of(Network).keywords, NETWORK)


def _check_target(cfg: DictConfig, key: str) -> None:
    """Check a logger, a callback or a network: a node with a ``_target_`` and keywords for it."""
    settings = settings_of(cfg, key)
    if "_target_" not in settings:
        raise ConfigurationError(
            f"{key} must be a node with a _target_: in a file a name, and below it the _target_ and its keywords."
        )
    signature = signature_of(find(settings.pop("_target_").value, f"{key}._target_"))
    if not signature.is_open:  # what the node leaves out, the run may give
        _check(key, settings, {name: one._replace(is_required=False) for name, one in signature.keywords.items()}, key)


def _check(node: str, settings: Mapping[str, Setting], keywords: Mapping[str, Keyword], what: str) -> None:
    """Check that each keyword that needs a value has one, that each setting has a keyword, and each value."""
    prefix = f"{node}." if node else ""
    for name, setting in settings.items():
        if name not in keywords and setting.key in HABITS:
            raise ConfigurationError(instead(setting.key))
        if name not in keywords:
            known = [settings[key].key if key in settings else f"{prefix}{key}" for key in keywords]
            known += [inner for inner in (*CONSTRUCTORS, "callbacks.extra") if inner.startswith(f"{node}.")]
            raise ConfigurationError(unknown(setting.key, setting.key, known, what=f"a key of {what}"))
        if not allows(keywords[name].annotation, setting.value):
            raise ConfigurationError(
                f"{setting.key}={show(setting.value)} is not allowed: it takes {describe(keywords[name].annotation)}."
                f"{_hint_at_text(keywords[name].annotation, setting)}"
            )
    for name in sorted(keywords.keys() - settings.keys()):
        if keywords[name].is_required:
            raise ConfigurationError(f"{prefix}{name} cannot be left out: {what} needs a value for it.")


def _hint_at_text(annotation: Any, setting: Setting) -> str:
    """Say that a value is a text, such as that of an environment variable, where what it says would be allowed."""
    if not isinstance(setting.value, str):
        return ""
    try:
        is_meant = allows(annotation, yaml.safe_load(setting.value))
    except yaml.YAMLError:
        return ""
    key = setting.key
    return f" This is a text; of a variable, {key}='${{oc.decode:${{oc.env:NAME}}}}' makes a value." if is_meant else ""
