"""What a search tries, read from ``conf/sweep/<name>.yaml``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from triptych.files import read_yaml
from triptych.types import ConfigurationError
from triptych.types.bounds import MAX_SEED


class Dimension(NamedTuple):
    """The values that one key may take: a few, or those between two ends, which are included."""

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False  # drawn evenly on a logarithmic scale

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values that are checked before anything starts."""
        return self.choices or (self.low, self.high)

    def suggest(self, trial: Any, key: str) -> Any:
        """Let an Optuna trial choose a value."""
        if self.choices:
            return trial.suggest_categorical(key, self.choices)
        if self.is_whole:
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


class Plan(NamedTuple):
    """A search.

    Attributes:
        overrides: of every trial.
        space: by key.
        num_trials: that come to their end or are pruned.
        seeds: a trial is a run with each of them, its score the mean of theirs.
        sampler_seed: of what is drawn.
        random_trials: before the sampler follows what it has seen.
        prune_after_trials: complete ones, before others may be ended early; ``None`` never.
        folder: of the search.
    """

    overrides: list[str]
    space: dict[str, Dimension]
    num_trials: int
    seeds: list[int]
    sampler_seed: int
    random_trials: int
    prune_after_trials: int | None
    folder: str | None


WHOLE = {"num_trials": 1, "sampler_seed": 0, "random_trials": 0, "prune_after_trials": 0}  # from which number


def read_plan(path: Path, changes: Mapping[str, Any]) -> Plan:
    """Read a search.

    Args:
        path: its file.
        changes: what the command line says in place of the file, ``search.num_trials=8``.

    Raises:
        ConfigurationError: one sentence about the first thing that cannot be meant.
    """
    try:
        found = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    known = (*Plan._fields,)
    for name in (*found, *changes):
        if name not in known or (name in changes and name in ("space", "overrides")):
            raise ConfigurationError(f"search.{name} is not a key of a search; there are {', '.join(known)}.")
    found = {"folder": None, "prune_after_trials": None} | found | dict(changes)
    missing = [name for name in known if name not in found]
    if missing:
        raise ConfigurationError(f"{path} lacks {', '.join(missing)}.")
    for name, least in WHOLE.items():
        value = found[name] = _whole(found[name])
        if value is None and name == "prune_after_trials":
            continue
        if not _is_whole(value) or value < least:
            raise ConfigurationError(f"search.{name}={value} is not allowed: it takes a whole number from {least}.")
    seeds, space = found["seeds"], found["space"]
    if not isinstance(seeds, list) or not seeds or not all(_is_whole(seed) and 0 <= seed <= MAX_SEED for seed in seeds):
        raise ConfigurationError(
            f"search.seeds={seeds} is not allowed: it takes a list of whole numbers from 0 to {MAX_SEED:,}, as [1,2]."
        )
    if len(set(seeds)) < len(seeds):
        raise ConfigurationError(f"search.seeds={seeds} names a seed twice.")
    if found["folder"] is not None and not isinstance(found["folder"], str):
        raise ConfigurationError(f"search.folder={found['folder']} is not allowed: it takes a path, or null.")
    if not isinstance(space, dict) or not space:
        raise ConfigurationError(f"{path}: space={space} is not allowed: it takes a key for each setting.")
    if not isinstance(found["overrides"], list) or not all(isinstance(one, str) for one in found["overrides"]):
        raise ConfigurationError(f"{path}: overrides={found['overrides']} is not allowed: it takes a list of texts.")
    return Plan(**found | {"space": {key: _dimension(key, node) for key, node in space.items()}})


def _dimension(key: str, node: Any) -> Dimension:
    where = f"space.{key}={node}"
    if not isinstance(node, dict) or not node.keys() <= set(Dimension._fields):
        raise ConfigurationError(f"{where} is not allowed: it takes choices, or low and high, and log: true.")
    if "choices" in node:
        choices = node["choices"]
        is_plain = isinstance(choices, list) and all(isinstance(one, str | int | float) for one in choices)
        if not is_plain or not choices or len(node) > 1:
            raise ConfigurationError(f"{where} is not allowed: choices takes a list of values, and stands alone.")
        return Dimension(tuple(choices))
    low, high, log = _number(node.get("low")), _number(node.get("high")), node.get("log", False)
    if low is None or high is None or not isinstance(log, bool):
        raise ConfigurationError(f"{where} is not allowed: low and high take a number each, log true or false.")
    if low >= high or (log and low <= 0):
        raise ConfigurationError(f"{where} is not allowed: low is below high, and above 0 where log is true.")
    if not (isinstance(low, int) and isinstance(high, int)):
        low, high = float(low), float(high)
    return Dimension((), low, high, log)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(value: Any) -> Any:
    """Take a number such as 1e1 for a whole one where it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Any) -> float | None:
    """Return a finite number; YAML takes ``1e-5``, which has no point, for a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = value if isinstance(value, int) else float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
