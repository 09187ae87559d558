import sys

import numpy as np
import pytest

from tests.fakes import GaussianAct
from triptych.collect.evaluation import play_episodes
from triptych.envs.gymnasium import Gymnasium
from triptych.types import NoPicture

gymnasium_robotics = pytest.importorskip("gymnasium_robotics", reason="the arms need gymnasium-robotics")

REACH = "gymnasium_robotics:FetchReach-v4"
OF_AN_OBJECT = [f"gymnasium_robotics:Fetch{name}-v4" for name in ("Push", "Slide", "PickAndPlace")]


def play(env_id, num_steps, seed=1):
    """Play two copies at random; return their spec and what came of each step."""
    game = Gymnasium(env_id, 2)
    game.reset(np.array([seed, seed + 1]), np.ones(2, bool))
    act, received = GaussianAct(game.spec), []
    for _ in range(num_steps):
        game.send(act(np.zeros((2, 1)))[0])
        received.append(game.receive())
    game.close()
    return game.spec, received


@pytest.mark.parametrize(("env_id", "size"), [(REACH, 16), *[(one, 31) for one in OF_AN_OBJECT]])
def test_an_arm_is_a_vector_of_goals_and_numbers_that_tells_what_a_goal_is_worth(env_id, size):
    spec, received = play(env_id, 20)
    assert (spec.observation_shape, spec.action_shape) == ((size,), (4,))
    assert spec.reading == f"the vector of a Dict, {size} numbers"
    assert (spec.goals.achieved, spec.goals.desired) == (slice(0, 3), slice(3, 6))
    for one in received:
        achieved, desired = one.observation[:, :3], one.observation[:, 3:6]
        np.testing.assert_array_equal(spec.goals.reward(achieved, desired), one.reward)
        np.testing.assert_array_equal(spec.goals.is_terminal(achieved, desired), one.terminated)
        assert spec.goals.reward(achieved, achieved).tolist() == [0, 0]


def test_an_episode_ends_after_50_steps_by_truncation_and_can_be_played_again():
    game = Gymnasium(REACH, 1)
    first = play_episodes(game, GaussianAct(game.spec), [3, 4])
    assert [(episode.length, episode.is_truncated) for episode in first] == [(50, True)] * 2
    (again,) = play_episodes(game, GaussianAct(game.spec), [3])
    assert (again.actions, again.episode_return) == (first[0].actions, first[0].episode_return)
    try:
        rewards = [reward for _, reward in game.replay(3, again.actions)]
    except NoPicture:
        pytest.skip("nothing can be drawn here")
    assert sum(rewards) == again.episode_return


def test_goals_of_many_are_asked_for_at_once(monkeypatch):
    spec, _ = play(REACH, 1)
    distance = sys.modules["gymnasium_robotics.envs.fetch.fetch_env"].goal_distance
    calls = []
    monkeypatch.setattr(
        "gymnasium_robotics.envs.fetch.fetch_env.goal_distance", lambda *pair: (calls.append(1), distance(*pair))[1]
    )
    desired = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    assert spec.goals.reward(np.zeros((100, 3), np.float32), desired).shape == (100,)
    assert len(calls) == 1
