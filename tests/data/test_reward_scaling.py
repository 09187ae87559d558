import numpy as np
import pytest

from triptych.data.reward_scaling import RewardScaling


def reference(rewards, ends, discount):
    """List every discounted return so far, environment by environment."""
    returns = []
    for env in range(rewards.shape[1]):
        running = 0.0
        for reward, is_last in zip(rewards[:, env], ends[:, env], strict=True):
            running = running + reward
            returns.append(running)
            running = 0.0 if is_last else discount * running
    return returns


def make_rewards(length=60):
    """Return rewards, and which of them are the first and the last of an episode."""
    rng = np.random.default_rng(0)
    rewards, ends = rng.normal(5, 20, size=(length, 3)).astype(np.float32), rng.random((length, 3)) < 0.2
    return rewards, np.concatenate([np.ones((1, 3), bool), ends[:-1]]), ends


def test_rewards_are_divided_by_the_deviation_of_the_return():
    rewards, starts, ends = make_rewards()
    scaling = RewardScaling(3, 0.9, limit=1e9)
    scaled = [scaling(*step) for step in zip(rewards, starts, ends, strict=True)]
    expected = rewards[-1] / np.std(reference(rewards, ends, 0.9))
    np.testing.assert_allclose(scaled[-1], expected, rtol=1e-5)
    assert scaled[-1].dtype == np.float32


def test_outliers_are_clipped():
    scaling = RewardScaling(1, 0.9, limit=2.0)
    for reward in (1.0, -1.0, 1.0, -1.0):
        scaling(np.array([reward]), np.array([True]), np.array([True]))
    assert scaling(np.array([1000.0]), np.array([True]), np.array([True])) == pytest.approx(2.0)


@pytest.mark.parametrize("starts_anew", [False, True])
def test_a_restored_one_goes_on(starts_anew):
    rewards, starts, ends = make_rewards()
    if starts_anew:  # the running episodes could not be restored
        ends[30] = starts[31] = True
    whole, first, second = (RewardScaling(3, 0.9) for _ in range(3))
    steps = list(zip(rewards, starts, ends, strict=True))
    for reward, is_first, is_last in steps[:31]:
        whole(reward, is_first, is_last)
        first(reward, is_first, is_last)
    second.load_state_dict(first.state_dict())
    for step in steps[31:]:
        assert whole(*step).tolist() == second(*step).tolist()
