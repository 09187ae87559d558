"""Numbers, times and lists as a report writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from triptych.report import statistics

NOTHING = "-"
COVERAGE = f"{statistics.COVERAGE:.0%}"


def number(value: float) -> str:
    """Write a number with four digits or so."""
    if not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def frames_of(counts: Sequence[int]) -> str:
    """Write the frames of several runs: about how many, or from where to where they differ."""
    least, most = min(counts), max(counts)
    return f"{sum(counts) / len(counts):,.0f}" if most <= 1.02 * least else f"{least:,} to {most:,}"


def duration(seconds: float) -> str:
    """Write a time in seconds, minutes or hours."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def with_interval(value: float, ends: tuple[float, float] | None) -> str:
    """Write a number and, in brackets, its interval."""
    return number(value) if ends is None else f"{number(value)} [{number(ends[0])}, {number(ends[1])}]"


def estimate(statistic: statistics.Statistic, scores: np.ndarray) -> str:
    """Write a statistic of one env's scores ``[S]`` with its interval over seeds."""
    if not len(scores):
        return NOTHING
    return with_interval(float(statistic([scores])), statistics.interval(statistic, [scores]))


def count(amount: int, noun: str) -> str:
    """Write an amount with its noun, the plural by an s."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def tell_envs(envs: Sequence[str], every: set[str]) -> str:
    """Name envs, or where these are many those that are not among them."""
    absent = sorted(every - set(envs))
    if len(envs) <= 4 or len(absent) > 4:
        return ", ".join(envs)
    return f"all {len(every)}" + (f" but {', '.join(absent)}" if absent else "")
