"""Statistics of scores: against slow references, and against an independent bootstrap."""

import itertools

import numpy as np
import pytest

from triptych.report import statistics


def scores(seed: int, *sizes: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(index, 1 + index, size) for index, size in enumerate(sizes)]


@pytest.mark.parametrize("sizes", [(1,), (2,), (3,), (5, 5), (4, 4, 4), (3, 1, 7), (10,) * 26])
def test_iqm_is_the_trimmed_mean(sizes: tuple[int, ...]) -> None:
    tasks = scores(0, *sizes)
    together = sorted(itertools.chain(*tasks))
    cut = len(together) // 4
    kept = together[cut : len(together) - cut]
    assert statistics.iqm(tasks) == pytest.approx(sum(kept) / len(kept), rel=1e-12)


@pytest.mark.parametrize("sizes", [(1,), (3, 1, 7), (5,) * 10, (10,) * 26])
def test_iqm_is_scipys_trim_mean_to_the_last_digit(sizes: tuple[int, ...]) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    tasks = scores(1, *sizes)
    assert statistics.iqm(tasks) == scipy_stats.trim_mean(np.concatenate(tasks), 0.25)


def test_aggregates_of_a_small_table() -> None:
    tasks = [np.array([0.0, 1.0]), np.array([2.0, 4.0]), np.array([0.2, 0.4])]
    assert statistics.mean(tasks) == pytest.approx((0.5 + 3.0 + 0.3) / 3)
    assert statistics.median(tasks) == pytest.approx(0.5)
    assert statistics.iqm(tasks) == pytest.approx((0.2 + 0.4 + 1.0 + 2.0) / 4)
    assert statistics.optimality_gap(tasks) == pytest.approx((0.5 + 0.0 + 0.7) / 3)


@pytest.mark.parametrize("name", statistics.AGGREGATES)
def test_intervals_agree_with_an_independent_bootstrap(name: str) -> None:
    statistic = statistics.AGGREGATES[name]
    tasks = scores(2, 5, 8, 5, 6)
    generator = np.random.RandomState(7)
    values = [
        float(statistic([generator.choice(task, size=len(task), replace=True) for task in tasks])) for _ in range(4000)
    ]
    values.sort()
    found = statistics.interval(statistic, tasks)
    assert found is not None
    noise = 0.15 * (values[3899] - values[99])  # of the ends, for these numbers of samples
    assert found == pytest.approx((values[99], values[3899]), abs=noise)
    assert found == statistics.interval(statistic, tasks)  # to the last digit


def test_seeds_are_drawn_within_their_task() -> None:
    tasks = [np.array([1.0, 2.0]), np.array([10.0, 20.0, 30.0])]
    first, second = statistics.resample(tasks, np.random.default_rng(0), 50)
    assert first.shape == (50, 2)
    assert second.shape == (50, 3)
    assert set(first.flat) == {1.0, 2.0}
    assert set(second.flat) == {10.0, 20.0, 30.0}


def test_one_seed_has_no_interval() -> None:
    assert statistics.interval(statistics.iqm, [np.array([1.0, 2.0]), np.array([1.0])]) is None
    average, ends = statistics.mean_over_seeds(np.array([[1.0, 2.0]]))
    assert average.tolist() == [1.0, 2.0]
    assert ends is None


def test_probability_of_improvement_counts_pairs() -> None:
    ours = [np.array([1.0, 3.0, 5.0]), np.array([2.0])]
    theirs = [np.array([0.0, 3.0]), np.array([2.0, 9.0])]
    # First task: 1>0, 1<3, 3>0, 3=3, 5>0, 5>3: 4.5 of 6. Second: a tie and a loss: 0.5 of 2.
    assert statistics.probability_of_improvement(ours, theirs) == pytest.approx((4.5 / 6 + 0.5 / 2) / 2)
    assert statistics.probability_of_improvement(theirs, ours) == pytest.approx(1 - (4.5 / 6 + 0.5 / 2) / 2)
    assert statistics.improvement_interval(ours, theirs) is None
    better = [np.array([5.0, 6.0, 7.0])]
    assert statistics.improvement_interval(better, [np.array([1.0, 2.0])]) == (1.0, 1.0)


def test_the_interval_of_a_curve_is_that_of_its_points() -> None:
    curves = np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 3.0]])
    average, ends = statistics.mean_over_seeds(curves)
    assert average == pytest.approx([2.0, 3.0])
    assert ends is not None
    for point in range(2):
        expected = statistics.interval(statistics.mean, [curves[:, point]])
        assert ends[:, point] == pytest.approx(expected)
