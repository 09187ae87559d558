"""What the overrides of a sweep stand for: its jobs, as far as they are known before Hydra's sweeper runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep, Sweep, ValueType

from triptych.types import ConfigurationError

MAX_COMPOSED_JOBS = 32  # of a larger sweep, each value is checked once beside the first values of the others
MAX_VALUES = 100_000  # of one key
Result = TypeVar("Result")
LISTED = (
    ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP, ValueType.RANGE_SWEEP, ValueType.GLOB_CHOICE_SWEEP
)  # fmt: skip


def parse_with_options(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides so that patterns such as ``env=glob(c*)`` know the options; Hydra must be initialized."""
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(list(overrides))


def sweep_jobs(parsed: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of each job; of a large sweep, of jobs in which every value is found once.

    Raises:
        ConfigurationError: an override stands for no value, for too many, or for what cannot be swept.
    """
    choices: list[list[str]] = []
    has_sweeper = any(override.key_or_group == "hydra/sweeper" for override in parsed)
    for override in parsed:
        if override.value_type in LISTED:
            choices.append([f"{override.get_key_element()}={value}" for value in _values(override)])
        elif override.value_type == ValueType.INTERVAL_SWEEP and not has_sweeper:
            raise ConfigurationError(
                f"{override.input_line} needs a sweeper that searches intervals, chosen by hydra/sweeper=...; "
                f"without one list the values: {override.key_or_group}=a,b,c."
            )
        elif override.is_sweep_override():
            continue  # only the sweeper knows what it stands for
        else:
            choices.append([override.input_line or ""])
    if math.prod(len(values) for values in choices) <= MAX_COMPOSED_JOBS:
        return [list(job) for job in itertools.product(*choices)]
    first = [values[0] for values in choices]
    one_changed = [
        (*first[:position], value, *first[position + 1 :])
        for position, values in enumerate(choices)
        for value in values
    ]
    return [list(job) for job in dict.fromkeys(one_changed)]


def for_each_job(jobs: Sequence[Sequence[str]], step: Callable[[int], Result]) -> list[Result]:
    """Do a step with each job of a command line, by its position; return what each gave.

    Args:
        jobs: the overrides of each.
        step: what to do with one.

    Raises:
        ConfigurationError: a step raised it; where others pass, the sentence begins with what is this job's own.
    """
    results: list[Result] = []
    for position, job in enumerate(jobs):
        try:
            results.append(step(position))
        except ConfigurationError as error:
            shared = set(job).intersection(*jobs)
            own = [one for one in job if one not in shared and f"{one.partition('=')[0]}=" not in str(error)]
            if not own or (position == 0 and _fails_alike(step, len(jobs) - 1, error)):
                raise
            raise ConfigurationError(f"{' '.join(own)}: {error}") from error
    return results


def _fails_alike(step: Callable[[int], object], position: int, error: ConfigurationError) -> bool:
    try:
        step(position)
    except ConfigurationError as other:
        return str(other) == str(error)
    return False


def is_left_to_hydra(override: Override) -> bool:
    """Whether only Hydra's sweeper knows what an override stands for: an interval."""
    return override.value_type == ValueType.INTERVAL_SWEEP


def _values(override: Override) -> list[str]:
    sweep, text = override.value(), override.input_line
    if isinstance(sweep, ChoiceSweep) and any(isinstance(value, Sweep | Glob) for value in sweep.list):
        raise ConfigurationError(
            f"{text} is not allowed: a range is no value among others; list them, as {override.key_or_group}=1,2,7."
        )
    if isinstance(sweep, RangeSweep):
        _check_range(text or "", sweep)
    values = list(override.sweep_string_iterator())
    if not values:
        hint = "; give it one"
        if isinstance(sweep, Glob):
            hint = ": a glob finds options of a group, such as env=glob(c*); list other values, as seed=1,2,3"
        raise ConfigurationError(f"{text} stands for no value at all{hint}.")
    return values


def _check_range(text: str, sweep: RangeSweep) -> None:
    start, stop, step = (float(number or 0) for number in (sweep.start, sweep.stop, sweep.step))
    if not step or not all(map(math.isfinite, (start, stop, step))):
        raise ConfigurationError(f"{text} is not allowed: a range takes finite numbers, and a step other than 0.")
    if (stop - start) / step > MAX_VALUES:
        raise ConfigurationError(
            f"{text} stands for {math.ceil((stop - start) / step):,} values; a key takes {MAX_VALUES:,} at most."
        )
