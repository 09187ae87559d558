"""Statistics of scores over seeds and tasks, with stratified bootstrap intervals (Agarwal et al. 2021).

A task is an env under one protocol. Scores come as one array ``[..., S]`` per task, one score per seed; tasks may
differ in their number of seeds. Leading axes are those of bootstrap samples. The four aggregates are those of "Deep
Reinforcement Learning at the Edge of the Statistical Precipice", arXiv 2108.13264, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Tasks = Sequence[np.ndarray]
Statistic = Callable[[Tasks], np.ndarray]

SAMPLES = 2000  # of the bootstrap
COVERAGE = 0.95  # of every interval
SEED = 0  # of the bootstrap's generator, anew for every interval


def mean(tasks: Tasks) -> np.ndarray:
    """Mean over tasks of the mean over seeds."""
    return np.mean([task.mean(-1) for task in tasks], axis=0)


def median(tasks: Tasks) -> np.ndarray:
    """Median over tasks of the mean over seeds."""
    return np.median([task.mean(-1) for task in tasks], axis=0)


def iqm(tasks: Tasks) -> np.ndarray:
    """Interquartile mean: of all runs of all tasks together, the mean without the lowest and the highest quarter."""
    scores = np.concatenate(tasks, axis=-1)
    count = scores.shape[-1]
    cut = int(0.25 * count)
    return np.partition(scores, (cut, count - cut - 1), axis=-1)[..., cut : count - cut].mean(-1)


def optimality_gap(tasks: Tasks) -> np.ndarray:
    """Mean over tasks of how far scores stay below 1, the human score; what lies above 1 counts as 1."""
    return np.mean([1 - np.minimum(task, 1).mean(-1) for task in tasks], axis=0)


AGGREGATES: dict[str, Statistic] = {"mean": mean, "median": median, "IQM": iqm, "optimality gap": optimality_gap}


def resample(tasks: Tasks, generator: np.random.Generator, samples: int = SAMPLES) -> list[np.ndarray]:
    """Draw seeds with replacement within each task ``[S]``; return ``[samples, S]`` for each."""
    return [task[generator.integers(len(task), size=(samples, len(task)))] for task in tasks]


def percentiles(samples: np.ndarray) -> np.ndarray:
    """Return the ends ``[2, ...]`` of the central interval of bootstrap samples ``[samples, ...]``."""
    tail = (1 - COVERAGE) / 2
    return np.quantile(samples, [tail, 1 - tail], axis=0)


def interval(statistic: Statistic, tasks: Tasks) -> tuple[float, float] | None:
    """Return the stratified bootstrap interval of a statistic; ``None`` where a task has fewer than two seeds."""
    if any(len(task) < 2 for task in tasks):
        return None
    low, high = percentiles(statistic(resample(tasks, np.random.default_rng(SEED))))
    return float(low), float(high)


def probability_of_improvement(ours: Tasks, theirs: Tasks) -> np.ndarray:
    """Mean over tasks of the probability that a run of ours scores higher than one of theirs; a tie counts half.

    ``ours[t]`` and ``theirs[t]`` are of the same task.
    """
    parts = []
    for one, other in zip(ours, theirs, strict=True):
        difference = np.sign(one[..., :, None] - other[..., None, :])
        parts.append((difference.mean((-2, -1)) + 1) / 2)
    return np.mean(parts, axis=0)


def improvement_interval(ours: Tasks, theirs: Tasks) -> tuple[float, float] | None:
    """Return the interval of `probability_of_improvement`; ``None`` where a task has fewer than two seeds."""
    return interval(lambda tasks: probability_of_improvement(tasks[: len(ours)], tasks[len(ours) :]), [*ours, *theirs])


def mean_over_seeds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the mean ``[P]`` of curves ``[S, P]`` and the ends ``[2, P]`` of its interval, which one seed has not."""
    if len(values) < 2:
        return values[0], None
    rows = np.random.default_rng(SEED).integers(len(values), size=(SAMPLES, len(values)))
    weights = np.stack([(rows == seed).mean(1) for seed in range(len(values))], axis=1)
    return values.mean(0), percentiles(weights @ values)
