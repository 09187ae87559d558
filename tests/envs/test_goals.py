import gymnasium
import numpy as np
import pytest

import tests.goal_env  # noqa: F401  (registers them)
from triptych.envs.goals import goal_rule
from triptych.envs.gymnasium import Gymnasium


@pytest.mark.parametrize("make_kwargs", [{}, {"is_single": True}, {"ends_at_goal": True}])
def test_a_goal_is_worth_what_the_environment_says_asked_at_once_or_one_by_one(make_kwargs):
    env = gymnasium.make("Walk-v0", **make_kwargs)
    rule = goal_rule(env)
    rng = np.random.default_rng(0)
    achieved, desired = rng.uniform(-1, 1, (2, 50, 2)).astype(np.float32)
    for found, function in (
        (rule.reward, env.unwrapped.compute_reward),
        (rule.is_terminal, env.unwrapped.compute_terminated),
    ):
        expected = [function(*pair, {}) for pair in zip(achieved, desired, strict=True)]
        np.testing.assert_array_equal(found(achieved, desired), np.float32(expected))
    assert rule.reward(achieved[:0], desired[:0]).shape == (0,)


@pytest.mark.parametrize(("env_id", "size"), [("Walk-v0", 2), ("BitFlip-v0", 10)])
def test_goals_stand_in_the_vector_where_the_rule_says(env_id, size):
    spec = Gymnasium(env_id, 1).spec
    env = gymnasium.make(env_id)
    observation, _ = env.reset(seed=1)
    vector = gymnasium.spaces.flatten(env.observation_space, observation)
    for place, name in ((spec.goals.achieved, "achieved_goal"), (spec.goals.desired, "desired_goal")):
        assert len(vector[place]) == size
        np.testing.assert_array_equal(vector[place], observation[name])


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Silent-v0", "Blackjack-v1"])
def test_others_have_no_goals(env_id):
    assert Gymnasium(env_id, 1).spec.goals is None


def test_of_a_vector_made_by_a_wrapper_nothing_is_known():
    assert Gymnasium("Walk-v0", 1, wrappers=["gymnasium.wrappers.FlattenObservation"]).spec.goals is None
