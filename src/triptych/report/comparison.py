"""What runs that may be compared came to: curves over seeds, scores, ways to a threshold, what is missing."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from triptych.report import statistics
from triptych.report.groups import group_runs
from triptych.report.runs import Run, read_metrics

FRAMES, SECONDS, RETURN = range(3)  # columns of an entry's evaluations
MAX_POINTS = 150  # of a curve over seeds


class Band(NamedTuple):
    """A curve over seeds: its mean (or another statistic) and the ends of its interval, ``[P]`` and ``[2, P]``."""

    x: np.ndarray
    middle: np.ndarray
    ends: np.ndarray | None


class Way(NamedTuple):
    """How long one seed took until an evaluation was at least the threshold."""

    frames: float
    seconds: float


NEVER = Way(math.inf, math.inf)


@dataclass(frozen=True)
class Entry:
    """One algorithm on one env under one protocol: runs that differ in their seed alone."""

    runs: tuple[Run, ...]

    @property
    def algo(self) -> str:
        return self.runs[0].algo

    @property
    def env(self) -> str:
        return self.runs[0].env

    @property
    def protocol(self) -> str:
        return self.runs[0].protocol

    @property
    def evaluated(self) -> list[Run]:
        """The runs with a final evaluation: only these have a score."""
        return [run for run in self.runs if run.return_mean is not None]

    @property
    def counted(self) -> list[Run]:
        """The runs whose frames and time are told: those with a score, or all where none has one."""
        return self.evaluated or list(self.runs)

    @cached_property
    def returns(self) -> np.ndarray:
        """The final evaluation of each run that has one, ``[S]``."""
        return np.array([run.return_mean for run in self.evaluated], dtype=float)

    @cached_property
    def normalized(self) -> np.ndarray:
        """`returns` with 0 for the random and 1 for the human player, ``[S]``; empty where nobody published these."""
        scores = [run.human_normalized_score for run in self.evaluated]
        return np.array([score for score in scores if score is not None], dtype=float)

    @cached_property
    def evaluations(self) -> list[np.ndarray]:
        """The evaluations of each run that has any: rows of frames, seconds and mean return, ``[P, 3]``."""
        return self.curves_of()

    def curves_of(self, metric: str = "eval/return_mean") -> list[np.ndarray]:
        """A metric of each run that has it: rows of frames, seconds and its value, ``[P, 3]``."""
        return [rows for rows in (read_curve(run, metric) for run in self.runs) if len(rows)]


def read_curve(run: Run, metric: str = "eval/return_mean") -> np.ndarray:
    """Read a metric of a run, ``[P, 3]``, in the order of frames; rows without numbers are left out."""
    rows = {}
    for row in read_metrics(run.folder):
        with contextlib.suppress(KeyError, ValueError):
            values = [float(row[name]) for name in ("frames", "wall_time_s", metric)]
            if all(abs(value) < 1e100 for value in values):  # also false for what is not a number
                rows[values[FRAMES]] = values
    return np.array([rows[frames] for frames in sorted(rows)], dtype=float).reshape(-1, 3)


def make_entries(runs: Sequence[Run]) -> list[Entry]:
    """Group runs by protocol, env and algorithm, in this order."""
    return [Entry(tuple(group)) for group in group_runs(runs)]


def common_grid(curves: Sequence[np.ndarray], column: int) -> np.ndarray:
    """Return the places along a column that all curves ``[P, 3]`` have reached; none where they do not overlap."""
    first = max(curve[0, column] for curve in curves)
    last = min(curve[-1, column] for curve in curves)
    places = np.unique(np.concatenate([curve[:, column] for curve in curves]))
    grid = places[(places >= first) & (places <= last)]
    return grid if len(grid) <= MAX_POINTS else np.linspace(grid[0], grid[-1], MAX_POINTS)


def on_grid(curves: Sequence[np.ndarray], column: int, grid: np.ndarray) -> np.ndarray:
    """Interpolate the returns of each curve linearly, ``[S, P]``."""
    return np.stack([np.interp(grid, curve[:, column], curve[:, RETURN]) for curve in curves])


def band(curves: Sequence[np.ndarray], column: int) -> Band | None:
    """Return the mean over seeds as far as all of them came; ``None`` where there is no such stretch."""
    grid = common_grid(curves, column) if curves else np.empty(0)
    return Band(grid, *statistics.mean_over_seeds(on_grid(curves, column, grid))) if len(grid) else None


def normalized_band(entries: Sequence[Entry]) -> Band | None:
    """Return the IQM of the human-normalised evaluations of one algorithm against frames, over all its envs."""
    every = [curve for entry in entries for curve in entry.evaluations]
    grid = common_grid(every, FRAMES) if every and all(entry.evaluations for entry in entries) else np.empty(0)
    if not len(grid):
        return None
    tasks = []
    for entry in entries:
        random_score, human_score = entry.runs[0].scores or (0.0, 1.0)
        values = (on_grid(entry.evaluations, FRAMES, grid) - random_score) / (human_score - random_score)
        tasks.append(values.T)
    if any(task.shape[1] < 2 for task in tasks):
        return Band(grid, statistics.iqm(tasks), None)
    generator = np.random.default_rng(statistics.SEED)
    draws = [generator.integers(task.shape[1], size=(statistics.SAMPLES, task.shape[1])) for task in tasks]
    ends = [
        statistics.percentiles(statistics.iqm([task[point][rows] for task, rows in zip(tasks, draws, strict=True)]))
        for point in range(len(grid))
    ]
    return Band(grid, statistics.iqm(tasks), np.stack(ends, axis=1))


def solved_return(entries: Sequence[Entry]) -> float | None:
    """Return from which return on their env counts as solved: the highest mark that a run of these entries had."""
    marks = [run.solved_return for entry in entries for run in entry.runs]
    return max((mark for mark in marks if mark is not None), default=None)


def ways(entry: Entry, threshold: float) -> list[Way]:
    """Tell for each evaluated seed when an evaluation first reached the threshold; `NEVER` where none did.

    A run that goes on and has not reached it yet is left out.
    """
    found = []
    for run in entry.runs:
        rows = read_curve(run)
        reached = rows[rows[:, RETURN] >= threshold]
        if len(reached):
            found.append(Way(reached[0, FRAMES], reached[0, SECONDS]))
        elif len(rows) and run.status == "finished":
            found.append(NEVER)
    return found


def span(entry: Entry) -> tuple[float, float]:
    """Return the stretch of frames over which every evaluated seed has evaluations; an empty one is reversed."""
    first = max((curve[0, FRAMES] for curve in entry.evaluations), default=math.inf)
    last = min((curve[-1, FRAMES] for curve in entry.evaluations), default=-math.inf)
    return float(first), float(last)


def common_frames(entries: Sequence[Entry]) -> float | None:
    """Return the frames at which the most entries have evaluations, the latest such; ``None`` where none has."""
    spans = [span(entry) for entry in entries if span(entry)[0] <= span(entry)[1]]
    counts = {last: sum(low <= last <= high for low, high in spans) for _, last in spans}
    return max(counts, key=lambda frames: (counts[frames], frames), default=None)


def returns_at(entry: Entry, frames: float) -> np.ndarray:
    """Return each seed's evaluation at a number of frames, interpolated, ``[S]``; empty outside the entry's span."""
    first, last = span(entry)
    if not first <= frames <= last:
        return np.empty(0)
    return on_grid(entry.evaluations, FRAMES, np.array([frames]))[:, 0]


class Improvement(NamedTuple):
    """The probability that a run of one algorithm scores higher than one of another, on some envs."""

    algo: str
    other: str
    envs: list[str]
    probability: float
    ends: tuple[float, float] | None


def improvements(entries: Sequence[Entry]) -> list[Improvement]:
    """Compare each pair of algorithms of one protocol on the envs where both have the scores of two seeds or more."""
    tables: dict[str, dict[str, np.ndarray]] = {}
    for entry in entries:
        if len(entry.returns) > 1:
            tables.setdefault(entry.algo, {})[entry.env] = entry.returns
    found = []
    for algo, other in itertools.combinations(sorted(tables), 2):
        envs = sorted(tables[algo].keys() & tables[other].keys())
        if envs:
            ours, theirs = ([tables[name][env] for env in envs] for name in (algo, other))
            probability = float(statistics.probability_of_improvement(ours, theirs))
            found.append(Improvement(algo, other, envs, probability, statistics.improvement_interval(ours, theirs)))
    return found


def missing(entries: Sequence[Entry]) -> list[tuple[Entry, list[str]]]:
    """Tell what each entry lacks: seeds that are not finished, and seeds that only other algorithms have."""
    seeds: dict[tuple[str, str], set[int]] = {}
    for entry in entries:
        seeds.setdefault((entry.protocol, entry.env), set()).update(run.seed for run in entry.runs)
    found = []
    for entry in entries:
        words = [f"seed {run.seed} is {run.status} at {run.frames:,} frames" for run in entry.runs if not is_whole(run)]
        absent = sorted(seeds[entry.protocol, entry.env] - {run.seed for run in entry.runs})
        if absent:
            plural = "seed" if len(absent) == 1 else "seeds"
            words.append(f"no run of {plural} {', '.join(map(str, absent))}, which another algorithm has")
        if words:
            found.append((entry, words))
    return found


def is_whole(run: Run) -> bool:
    """Tell whether nothing of a run is missing: it is finished and was evaluated at its end."""
    return run.status == "finished" and run.return_mean is not None
