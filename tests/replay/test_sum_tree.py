import numpy as np
import pytest

from triptych.replay.sum_tree import SumTree

CAPACITIES = [1, 2, 3, 7, 8, 9, 100]


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_equals_a_plain_list(capacity):
    rng = np.random.default_rng(capacity)
    tree, naive = SumTree(capacity), np.zeros(capacity)
    for _ in range(20):
        index = rng.choice(capacity, size=rng.integers(1, capacity + 1), replace=False)
        priority = rng.integers(0, 5, size=len(index)).astype(float)
        tree.set(index, priority)
        naive[index] = priority
        np.testing.assert_array_equal(tree.get(np.arange(capacity)), naive)
        np.testing.assert_array_equal(tree.leaves(), naive)
        assert tree.total == naive.sum()
        if tree.total > 0:
            mass = np.arange(0, tree.total, 0.25)
            np.testing.assert_array_equal(tree.find(mass), np.searchsorted(naive.cumsum(), mass, side="right"))


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_find_never_returns_a_priority_of_zero(capacity):
    rng = np.random.default_rng(capacity)
    for _ in range(50):
        tree = SumTree(capacity)
        priority = rng.random(capacity) ** 8 * (rng.random(capacity) < 0.4)
        priority[rng.integers(capacity)] = 1e-12
        tree.set(np.arange(capacity), priority)
        edges = np.concatenate([[0.0], np.cumsum(priority), [tree.total, np.nextafter(tree.total, np.inf)]])
        mass = np.concatenate([edges, np.nextafter(edges, np.inf), rng.random(50) * tree.total])
        found = tree.find(mass)
        assert ((found >= 0) & (found < capacity)).all()
        assert (tree.get(found) > 0).all()


def test_the_last_of_repeated_indices_counts():
    tree = SumTree(4)
    tree.set(np.array([2, 2, 2]), np.array([5.0, 6.0, 7.0]))
    assert (tree.total, tree.get(np.array([2])).tolist()) == (7.0, [7.0])


def test_rounding_errors_do_not_pile_up():
    rng = np.random.default_rng(0)
    tree = SumTree(50)
    for _ in range(2000):
        tree.set(rng.integers(50, size=8), 10.0 ** rng.uniform(-9, 9, size=8))
    tree.set(np.arange(50), 0.1)
    assert tree.total == pytest.approx(5.0, rel=1e-14)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_loaded_leaves_equal_leaves_that_were_set(capacity):
    priority = np.random.default_rng(0).random(capacity)
    one, other = SumTree(capacity), SumTree(capacity)
    one.set(np.arange(capacity), priority)
    other.set(np.arange(capacity), 9.0)
    other.load_leaves(priority)
    mass = np.linspace(0, one.total, 200, endpoint=False)
    assert other.total == one.total
    np.testing.assert_array_equal(other.find(mass), one.find(mass))
