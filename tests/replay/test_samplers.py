import numpy as np
import pytest
import torch

from triptych.replay.samplers import NewestSampler, PrioritizedSampler, UniformSampler

NUM_ENVS, ROWS = 3, 8
SIZE = NUM_ENVS * ROWS


def uniform(seed=0):
    return UniformSampler(NUM_ENVS, ROWS, seed)


def prioritized(seed=0, alpha=0.6, beta=0.4, anneal=1000, divide=True):
    return PrioritizedSampler(
        SIZE,
        seed,
        priority_exponent=alpha,
        importance_exponent_start=beta,
        importance_anneal_env_steps=anneal,
        divide_importance_by_largest=divide,
    )


def assert_frequencies(index, probs, tolerance=5.0):
    """Compare counts with theory, within so many standard deviations."""
    counts = np.bincount(index, minlength=len(probs))
    deviation = np.sqrt(len(index) * probs * (1 - probs))
    assert (np.abs(counts - len(index) * probs) <= tolerance * deviation + 1e-9).all()


@pytest.mark.parametrize("make", [uniform, prioritized])
@pytest.mark.parametrize("seed", range(3))
def test_only_enabled_indices_are_drawn(make, seed):
    rng = np.random.default_rng(seed)
    sampler, enabled = make(seed), set()
    for _ in range(60):
        index = rng.choice(SIZE, size=rng.integers(0, 6), replace=False)
        if rng.random() < 0.5:
            sampler.enable(index)
            enabled |= set(index.tolist())
        else:
            sampler.disable(index)
            enabled -= set(index.tolist())
        assert sampler.num_enabled == len(enabled)
        if enabled:
            assert set(sampler.draw(400, 0)[0].tolist()) == enabled


@pytest.mark.parametrize("enabled", [[0], [0, 1, 9, 20], [3, 23], list(range(SIZE))])
def test_uniform_draws_every_enabled_index_equally_often(enabled):
    sampler = uniform()
    sampler.enable(np.array(enabled))
    index, weight = sampler.draw(20_000, 0)
    probs = np.zeros(SIZE)
    probs[enabled] = 1 / len(enabled)
    assert_frequencies(index, probs)
    assert weight.dtype == np.float32
    assert (weight == 1).all()


def test_uniform_draws_are_independent():
    sampler = uniform()
    sampler.enable(np.array([2, 11]))
    index, _ = sampler.draw(20_000, 0)
    repeats = np.count_nonzero(index[1:] == index[:-1])
    assert abs(repeats - 10_000) < 5 * np.sqrt(5_000)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_prioritized_draws_in_proportion_to_priority_to_the_exponent(alpha):
    sampler, enabled = prioritized(alpha=alpha), np.array([1, 5, 6, 17, 23])
    priorities = np.array([0.1, 1.0, 2.0, 4.0, 8.0])
    sampler.enable(enabled)
    sampler.update(enabled, priorities)
    probs = np.zeros(SIZE)
    probs[enabled] = (priorities + 1e-6) ** alpha / ((priorities + 1e-6) ** alpha).sum()
    index, _ = sampler.draw(20_000, 0)
    assert_frequencies(index, probs)
    # Stratified: each count is within one stratum at each side of its expectation.
    assert np.abs(np.bincount(index, minlength=SIZE) - 20_000 * probs).max() <= 2


@pytest.mark.parametrize(("env_steps", "beta"), [(0, 0.4), (500, 0.7), (1000, 1.0), (5000, 1.0)])
def test_importance_weights_equal_the_formula(env_steps, beta):
    sampler, enabled = prioritized(), np.array([1, 5, 6, 17])
    priorities = np.array([0.5, 1.0, 2.0, 4.0])
    sampler.enable(enabled)
    sampler.update(enabled, priorities)
    index, weight = sampler.draw(500, env_steps)
    prob = (priorities + 1e-6) ** 0.6 / ((priorities + 1e-6) ** 0.6).sum()
    expected = (4 * prob) ** -beta
    expected = dict(zip(enabled.tolist(), expected / expected.max(), strict=True))
    assert set(index.tolist()) == set(enabled.tolist())
    assert weight.dtype == np.float32
    np.testing.assert_allclose(weight, [expected[i] for i in index.tolist()], rtol=1e-5)


def test_importance_weights_that_are_not_divided_are_one_on_average_in_every_draw():
    sampler, enabled = prioritized(alpha=1.0, beta=1.0, divide=False), np.arange(SIZE)
    sampler.enable(enabled)
    sampler.update(enabled, np.random.default_rng(3).exponential(size=SIZE) + 0.05)
    means = [sampler.draw(256, 0)[1].mean() for _ in range(20)]
    assert np.mean(means) == pytest.approx(1.0, abs=0.02)
    assert np.ptp(means) < 0.3


def test_each_part_of_a_prioritized_draw_covers_all_strata():
    sampler = prioritized()
    sampler.enable(np.arange(SIZE))
    index, _ = sampler.draw(2000, 0)
    assert set(index[:500].tolist()) == set(range(SIZE))


def test_new_indices_get_the_highest_priority_seen():
    sampler = prioritized(alpha=1.0)
    sampler.enable(np.array([0, 1]))
    sampler.update(np.array([0, 1]), np.array([6.0, 1.0]))
    sampler.update(np.array([0]), np.array([2.0]))
    sampler.enable(np.array([2]))
    index, _ = sampler.draw(9_000, 0)
    np.testing.assert_allclose(np.bincount(index, minlength=3) / 1000, [2, 1, 6], atol=0.01)


def test_a_priority_of_zero_is_not_lost_for_good():
    sampler = prioritized()
    sampler.enable(np.array([3, 4]))
    sampler.update(np.array([3]), np.array([0.0]))
    assert sampler.num_enabled == 2
    assert 3 in sampler.draw(100_000, 0)[0]


def test_priorities_of_disabled_indices_are_ignored():
    sampler = prioritized()
    sampler.enable(np.array([3, 4]))
    sampler.disable(np.array([3]))
    sampler.update(np.array([3, 4]), np.array([100.0, 1.0]))
    assert sampler.num_enabled == 1
    assert set(sampler.draw(100, 0)[0].tolist()) == {4}


@pytest.mark.parametrize("make", [uniform, prioritized])
def test_a_restored_sampler_draws_the_same(make, tmp_path):
    sampler = make(seed=1)
    sampler.enable(np.arange(0, SIZE, 2))
    sampler.update(np.array([0, 2, 4]), np.array([3.0, 0.2, 1.0]))
    sampler.draw(10, 0)
    torch.save(sampler.state_dict(), tmp_path / "state.pt")
    restored = make(seed=2)
    restored.enable(np.array([1, 3]))
    restored.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for this in (sampler, restored):
        this.enable(np.array([7]))
    assert restored.num_enabled == sampler.num_enabled == SIZE // 2 + 1
    for one, other in zip(sampler.draw(200, 5), restored.draw(200, 5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_newest_are_drawn_over_and_over_and_what_is_overwritten_is_not():
    sampler = NewestSampler(num_newest=3, seed=0)
    sampler.enable(np.array([4, 5]))
    assert sampler.draw(3, 0)[0].tolist() == [4, 5, 4]
    sampler.enable(np.array([7, 2]))
    index, weight = sampler.draw(6, 0)
    assert index.tolist() == [5, 7, 2, 5, 7, 2]
    assert weight.tolist() == [1.0] * 6
    sampler.disable(np.array([7, 30]))
    again = NewestSampler(num_newest=3, seed=1)
    again.load_state_dict(sampler.state_dict())
    for one in (sampler, again):
        assert one.num_enabled == 2
        assert one.draw(4, 0)[0].tolist() == [5, 2, 5, 2]
        one.enable(np.array([5]))  # a row that is written again is the newest
        assert one.draw(2, 0)[0].tolist() == [2, 5]
