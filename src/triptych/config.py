"""The command line's conscience: every name, type and range is checked before anything starts."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from triptych.envs import atari
from triptych.envs.extras import require_extra
from triptych.types import ConfigurationError


class Rule(NamedTuple):
    """What the values of some keys may be: numbers in a range, or one of several words."""

    pattern: str
    kind: type
    low: float = -math.inf
    high: float = math.inf
    is_optional: bool = False
    words: tuple[str, ...] = ()

    def allows(self, value: Any) -> bool:
        if value is None:
            return self.is_optional
        if self.words and value in self.words:
            return True
        if self.kind is bool or isinstance(value, bool):
            return self.kind is bool and isinstance(value, bool)
        if self.kind is str:
            return isinstance(value, str) and not self.words
        if self.kind is int:
            return isinstance(value, int) and self.low <= value <= self.high
        return isinstance(value, int | float) and self.low <= value <= self.high

    def describe(self) -> str:
        nouns = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        parts = [] if self.words and self.kind is str else [nouns[self.kind]]
        if math.isfinite(self.low) and math.isfinite(self.high):
            parts[-1:] = [f"{nouns[self.kind]} from {self.low:g} to {self.high:,.0f}"]
        elif math.isfinite(self.low):
            parts[-1:] = [f"{nouns[self.kind]} from {self.low:g} up"]
        parts += self.words
        parts += ["null"] if self.is_optional else []
        return " or ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


KEYS = ("algo", "env", "protocol", "eval", "checkpoint", "logger", "trainer", "callbacks", "seed", "total_frames")
MAX_SEED = 2**31 - 1  # the emulator's seeds are 32-bit integers
# The first pattern that matches a key decides. Units and ranges follow from how keys are named.
RULES = (
    Rule("seed", int, 0, MAX_SEED),
    Rule("run_dir", str, is_optional=True),
    Rule("*learning_rate_decay_env_steps", int, 1, is_optional=True),
    Rule("*capacity_env_steps", int, 1),
    Rule("*importance_anneal_env_steps", int, 1),
    Rule("*_env_steps", int, 0),
    Rule("*env_steps_per_update", float, 0.001, 1e6),
    Rule("*period_frames", int, 1),
    Rule("*period_updates", int, 1),
    Rule("*_frames", int, 1),
    Rule("*max_frames_per_episode", int, 1),
    Rule("trainer.num_threads", int, 1, 1024, words=("auto",)),
    Rule("env.num_threads", int, 0, 1024),
    Rule("*num_simulations", int, 0),
    Rule("*_bins", int, 2),
    Rule("*num_*", int, 1),
    Rule("*episodes", int, 1),
    Rule("*batch_size", int, 1),
    Rule("*rollout_length", int, 1),
    Rule("*_lambda", float, 0, 1),
    Rule("*_coef", float, 0),
    Rule("*_support_limit", float, 1e-3),
    Rule("*_alpha", float, 1e-6),
    Rule("*_fraction", float, 0, 1),
    Rule("*temperature*", float, 0),
    Rule("*unroll_steps", int, 1),
    Rule("*.search", str, words=("gumbel", "puct")),
    Rule("*.representation", str, words=("nature", "efficientzero")),
    Rule("*value_clip_range", float, 0, is_optional=True),
    Rule("*clip_range", float, 0),
    Rule("*n_step", int, 1, 255),
    Rule("*frame_skip", int, 1),
    Rule("*frame_stack", int, 1, 255),
    Rule("*image_size", int, 1),
    Rule("*noop_max", int, 0),
    Rule("*learning_rate", float, 0),
    Rule("*adam_epsilon", float, 0),
    Rule("*max_grad_norm", float, 0),
    Rule("*epsilon*", float, 0, 1),
    Rule("*discount", float, 0, 1),
    Rule("*_exponent*", float, 0, 1),
    Rule("*_prob", float, 0, 1),
    Rule("*td_loss", str, words=("huber", "squared")),
    Rule("*.storage", str, words=("memory", "disk", "device")),
    Rule("trainer.accelerator", str, words=("auto", "cpu", "gpu", "cuda")),
    Rule("trainer.devices", int, 1, 1),
    Rule("trainer.precision", str, words=("auto", "32-true", "bf16-mixed")),
    Rule("*solved_return", float, is_optional=True),
    Rule("*_timeout_s", float, 0),
    Rule("logger.wandb.entity", str, is_optional=True),
    Rule("logger.wandb.group", str, is_optional=True),
    *(
        Rule(f"*{name}", bool)
        for name in (
            "fresh", "stop_when_solved", "double", "dueling", "prioritized", "is_prioritized", "clip_rewards",
            "life_loss_is_terminal", "full_action_space", "fire_on_reset", "use_processes", "progress", "video",
            "baseline", "layer_norm", "value_prefix", "augmentation",
            "normalize_observations", "normalize_rewards", "eval_greedy",
        )
    ),
)  # fmt: skip
UNCHECKED = (
    "*_target_",
    "*.make_kwargs.*",
    "logger.wandb.tags*",
    "*.name",
    "*.game",
    "*.id",
    "*.protocol",
    "*.project",
)


def register_games(conf: Path) -> None:
    """Offer every playable ROM as an ``env`` option; those with a file of their own have it already."""
    store = ConfigStore.instance()
    for game in atari.games():
        if not (conf / "env" / f"{game}.yaml").exists():
            store.store(group="env", name=game, node={"defaults": ["atari", "_self_"], "game": game})


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """List every key with its value, dotted."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{prefix}{key}.")
    else:
        yield prefix[:-1], node


def rule_of(key: str) -> Rule | None:
    """Find the rule for a key; ``None`` where anything goes."""
    if any(fnmatchcase(key, pattern) for pattern in UNCHECKED):
        return None
    return next((rule for rule in RULES if fnmatchcase(key, rule.pattern)), None)


def check_values(cfg: DictConfig) -> None:
    """Check the type and range of every value, and what values must hold together.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    for key in KEYS:
        if key not in cfg or OmegaConf.is_missing(cfg, key):
            raise ConfigurationError(f"{key} cannot be left out.")
    is_atari = str(cfg.env._target_).startswith("triptych.envs.atari.")
    if is_atari == (cfg.protocol.name == "none"):
        allowed = "nature, machado or atari100k" if is_atari else "none"
        raise ConfigurationError(f"protocol={cfg.protocol.name} does not fit this env; it takes protocol={allowed}.")
    try:
        values = dict(leaves(OmegaConf.to_container(cfg, resolve=True)))
    except OmegaConfBaseException as error:
        raise ConfigurationError(str(error).splitlines()[0]) from error
    for key, value in values.items():
        if value == "???":
            raise ConfigurationError(f"{key} has no value; give it on the command line as {key}=...")
        rule = rule_of(key)
        if rule is not None and not rule.allows(value):
            raise ConfigurationError(f"{key}={_show(value)} is not allowed: it takes {rule.describe()}.")
    capacity, batch_size = values.get("algo.replay.capacity_env_steps"), values.get("algo.batch_size")
    if capacity is not None and batch_size is not None and capacity < batch_size:
        raise ConfigurationError(
            f"algo.replay.capacity_env_steps={capacity} is smaller than algo.batch_size={batch_size}; "
            "a replay must hold at least one batch."
        )


def check_command_line(arguments: Sequence[str], conf: Path) -> None:
    """Compose what a command line asks for, every job of a sweep, and check it.

    Raises:
        ConfigurationError: one sentence about the first thing that is wrong.
    """
    is_sweep = bool({"-m", "--multirun"} & set(arguments))
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except OverrideParseException as error:
        raise ConfigurationError(f"{error.override} cannot be read as key=value; quote special characters.") from error
    for override in parsed:
        key = override.key_or_group
        if key in KEYS and (conf / key).is_dir() and (override.is_delete() or override.value() is None):
            options = ", ".join(sorted(path.stem for path in (conf / key).glob("*.yaml")))
            raise ConfigurationError(f"{override.input_line}: {key} cannot be left out; it takes one of {options}.")
    if is_sweep:
        jobs = _sweep_jobs(parsed)
        if len(jobs) > 1 and any(override.key_or_group == "run_dir" for override in parsed):
            raise ConfigurationError(
                "run_dir is the folder of one run and a sweep has several; leave run_dir out, each job has its own."
            )
    else:
        swept = [override for override in parsed if override.is_sweep_override()]
        if swept:
            raise ConfigurationError(f"{swept[0].input_line} asks for several values; add -m to run them as a sweep.")
        jobs = [overrides]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        for job in jobs:
            cfg = compose_config(job, conf)
            check_values(cfg)
            if "id" in cfg.env:
                require_extra(cfg.env.id)


def compose_config(overrides: list[str], conf: Path) -> DictConfig:
    """Compose one job's config; Hydra must be initialized.

    Raises:
        ConfigurationError: a name or a key does not exist.
    """
    try:
        return compose("train", overrides=overrides)
    except MissingConfigException as error:
        name = error.missing_cfg_file or ""
        group, _, option = name.rpartition("/")
        if group == "env" and option in atari.UNPLAYABLE:
            raise ConfigurationError(
                f"env={option} cannot be played: its ROM ends the whole process; choose another game."
            ) from error
        raise ConfigurationError(_unknown(f"{group}={option}", option, list(error.options or []))) from error
    except ConfigCompositionException as error:
        key = _offending_key(str(error), overrides)
        known = [name for name, _ in leaves(OmegaConf.to_container(compose("train"), resolve=False))]
        groups = sorted(path.name for path in conf.iterdir() if path.is_dir())
        nodes = {name.rsplit(".", depth)[0] for name in known for depth in (1, 2) if "." in name}
        raise ConfigurationError(_unknown(key, key, [*known, *groups, *sorted(nodes)], what="a key")) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigurationError(str(error).splitlines()[0]) from error


def _offending_key(message: str, overrides: list[str]) -> str:
    match = re.search(r"full_key: (\S+)", message) or re.search(r"[Cc]ould not override '([^'=]+)", message)
    return match.group(1).strip("'") if match else " ".join(overrides)


def _unknown(text: str, name: str, known: list[str], what: str = "an option") -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if not near and "." in name:  # the right leaf in the wrong place
        near = [key for key in known if key.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1]][:3]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known)[:12])}, ..."
    return f"{text} is not {what}; {hint}"


def _sweep_jobs(parsed: list[Override]) -> list[list[str]]:
    choices: list[list[str]] = []
    for override in parsed:
        if override.is_sweep_override() and (override.is_choice_sweep() or override.is_range_sweep()):
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        elif override.is_sweep_override() or override.key_or_group.startswith("hydra"):
            continue  # only the sweeper knows what it stands for
        else:
            choices.append([override.input_line or ""])
    if math.prod(len(values) for values in choices) <= 32:
        return [list(job) for job in itertools.product(*choices)]
    first = [values[0] for values in choices]
    return [
        [*first[:position], value, *first[position + 1 :]]
        for position, values in enumerate(choices)
        for value in values
    ]


def _show(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
