import gymnasium
import numpy as np
import pytest

from tests.fakes import RandomAct
from triptych.collect.evaluation import play_episodes
from triptych.envs.gymnasium import Gymnasium
from triptych.types import ConfigurationError

pytest.importorskip("sardine", reason="the recommender needs sardine-rec")

ID = "Recommender-v0"


def session(env, seed, steps=100):
    """Show one user the best item of every moment; return the clicks."""
    env.reset(seed=seed)
    return [env.step(env.best_item())[1] for _ in range(steps)]


def users(**kwargs):
    return gymnasium.make(ID, **kwargs).unwrapped


def test_what_it_says_of_itself():
    for shows in ("user", "history"):
        spec = Gymnasium(ID, 2, make_kwargs={"shows": shows}).spec
        assert (spec.observation_shape, spec.observation_dtype, spec.num_actions) == ((30,), "float32", 1000)
        assert not spec.is_image


def test_only_boredom_keeps_the_best_item_from_a_click():
    assert np.mean([sum(session(users(boredom=False), seed)) for seed in range(3)]) > 98
    bored = session(users(), 1)
    assert 40 < sum(bored) < 60
    assert bored[:5] == [1] * 5
    assert 0 in bored[5:11]


def test_the_history_is_what_was_clicked_and_what_was_not():
    env = users(shows="history")
    observation, _ = env.reset(seed=3)
    assert not observation[10:].any()  # SARDINE has shown an item before
    sums = np.zeros((2, 10), np.float32)
    for item in [*range(30), env.best_item(), env.best_item()]:
        observation, reward, *_ = env.step(item)
        sums[int(reward)] += env.items[item]
    assert sums.any(axis=1).all()
    np.testing.assert_allclose(observation[10:], sums.ravel(), rtol=1e-5)
    assert env.observation_space.contains(observation)


def test_topics_show_the_item_that_has_most_of_them():
    by_topics, by_number = users(action="topics"), users()
    assert by_topics.action_space.shape == (10,)
    for seed in range(3):
        by_topics.reset(seed=seed)
        by_number.reset(seed=seed)
        for topic in (0, 3, 3, 9):
            wanted = np.eye(10, dtype=np.float32)[topic]
            found = by_topics.step(wanted), by_number.step(int(np.argmax(by_number.items[:, topic])))
            np.testing.assert_array_equal(found[0][0], found[1][0])
            assert found[0][1] == found[1][1]


def test_the_end_of_a_session_is_a_truncation():
    env = users()
    env.reset(seed=1)
    ends = [env.step(0)[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]


@pytest.mark.parametrize("boredom", [True, False])
def test_a_seed_and_actions_are_a_session_and_can_be_shown_again(boredom):
    game = Gymnasium(ID, 1, make_kwargs={"boredom": boredom})
    episodes = play_episodes(game, RandomAct(num_actions=1000), [7, 8])
    assert episodes[0].episode_return > 0
    for episode in reversed(episodes):
        frames, rewards = zip(*game.replay(episode.seed, episode.actions), strict=True)
        assert sum(rewards) == episode.episode_return
        assert len(frames) == 101
    clicked = rewards.index(1.0)
    assert (frames[clicked] == (60, 180, 75)).all(axis=-1).any()
    assert not (frames[0] == (60, 180, 75)).all(axis=-1).any()


@pytest.mark.parametrize("make_kwargs", [{"boredom": 1}, {"shows": "all"}, {"action": "slate"}])
def test_what_cannot_be_is_told(make_kwargs):
    ((key, value),) = make_kwargs.items()
    with pytest.raises(ConfigurationError, match=rf"env.make_kwargs.{key}={value} is not allowed"):
        Gymnasium(ID, 1, make_kwargs=make_kwargs)
