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
    rng = np.random.default_rng(0)
    return rng.normal(5, 20, size=(length, 3)).astype(np.float32), rng.random((length, 3)) < 0.2


def test_rewards_are_divided_by_the_deviation_of_the_return():
    rewards, ends = make_rewards()
    scaling = RewardScaling(3, 0.9, limit=1e9)
    scaled = [scaling(reward, is_last) for reward, is_last in zip(rewards, ends, strict=True)]
    expected = rewards[-1] / np.std(reference(rewards, ends, 0.9))
    np.testing.assert_allclose(scaled[-1], expected, rtol=1e-5)
    assert scaled[-1].dtype == np.float32


def test_outliers_are_clipped():
    scaling = RewardScaling(1, 0.9, limit=2.0)
    for reward in (1.0, -1.0, 1.0, -1.0):
        scaling(np.array([reward]), np.array([True]))
    assert scaling(np.array([1000.0]), np.array([True])) == pytest.approx(2.0)


def test_a_restored_one_goes_on():
    rewards, ends = make_rewards()
    ends[30] = True  # a restored run starts new episodes
    whole, first, second = (RewardScaling(3, 0.9) for _ in range(3))
    for step in range(31):
        whole(rewards[step], ends[step])
        first(rewards[step], ends[step])
    second.load_state_dict(first.state_dict())
    for step in range(31, 60):
        assert whole(rewards[step], ends[step]).tolist() == second(rewards[step], ends[step]).tolist()
