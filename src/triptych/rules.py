"""What the values of a configuration may be: their types, their ranges, and what must hold together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from triptych.types import ConfigurationError


class Rule(NamedTuple):
    """What the values of some keys may be: numbers in a range, or one of several words."""

    pattern: str
    kind: type
    low: float = -math.inf
    high: float = math.inf
    is_optional: bool = False
    words: tuple[str, ...] = ()
    is_finite: bool = True

    def allows(self, value: Any) -> bool:
        if value is None:
            return self.is_optional
        if self.words and value in self.words:
            return True
        if self.kind is bool or isinstance(value, bool):
            return self.kind is bool and isinstance(value, bool)
        if self.kind is str:
            return isinstance(value, str) and value.strip() != "" and not self.words
        if self.kind is int:
            return isinstance(value, int) and self.low <= value <= self.high
        is_in_range = isinstance(value, int | float) and self.low <= value <= self.high
        return is_in_range and (math.isfinite(value) or not self.is_finite)

    def describe(self) -> str:
        nouns = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        parts = [] if self.words and self.kind is str else [nouns[self.kind]]
        if math.isfinite(self.low) and math.isfinite(self.high):
            parts[-1:] = [f"{nouns[self.kind]} from {self.low:g} to {self.high:,.0f}"]
        elif math.isfinite(self.low):
            parts[-1:] = [f"{nouns[self.kind]} from {self.low:g} up"]
        parts += self.words
        parts += [] if self.is_finite else ["inf"]
        parts += ["null"] if self.is_optional else []
        return " or ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


KEYS = ("algo", "env", "protocol", "eval", "checkpoint", "logger", "trainer", "callbacks", "seed", "total_frames")
MAX_SEED = 2**31 - 1  # the emulator's seeds are 32-bit integers
MIN_POSITIVE = 1e-12  # of what would stop all learning at 0
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
    Rule("*max_frames_per_episode", int, 1, MAX_SEED),
    Rule("trainer.num_threads", int, 1, 1024, words=("auto",)),
    Rule("env.num_threads", int, 0, 1024),
    Rule("*num_simulations", int, 0),
    Rule("*_bins", int, 2, 100_001),
    Rule("*num_envs", int, 1, 10_000),
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
    Rule("*value_clip_range", float, MIN_POSITIVE, is_optional=True),
    Rule("*clip_range", float, MIN_POSITIVE),
    Rule("*n_step", int, 1, 255),
    Rule("*frame_skip", int, 1, 1000),
    Rule("*frame_stack", int, 1, 255),
    Rule("*image_size", int, 1, 1024),
    Rule("*noop_max", int, 0, 10_000),
    Rule("*learning_rate", float, MIN_POSITIVE),
    Rule("*adam_epsilon", float, MIN_POSITIVE),
    Rule("*max_grad_norm", float, MIN_POSITIVE, is_finite=False),
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
    Rule("*.id", str),
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
    "*.protocol",
    "*.project",
)


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """List every key with its value, dotted."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{prefix}{key}.")
    else:
        yield prefix[:-1], node


def keys_of(cfg: DictConfig) -> list[str]:
    """List the keys that have values, dotted."""
    return [key for key, _ in leaves(OmegaConf.to_container(cfg, resolve=False))]


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


def _show(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
