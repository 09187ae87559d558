import gymnasium
import numpy as np
import pytest

from tests.fakes import RandomAct
from tests.front_door import summary, train
from triptych.collect.evaluation import play_episodes
from triptych.collect.random_play import RandomActor
from triptych.envs.gymnasium import Gymnasium
from triptych.types import ConfigurationError

pytest.importorskip("sardine", reason="the recommender needs sardine-rec")

ID = "Recommender-v0"


def session(env, seed, steps=100):
    """Show one user the best item of every moment; return the clicks."""
    env.reset(seed=seed)
    return [env.step(env.best_slate().reshape(env.action_space.shape))[1] for _ in range(steps)]


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
    for item in [*range(30), *env.best_slate(), *env.best_slate()]:
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


def test_a_slate_is_several_choices_and_a_session_of_them_is_played_and_shown_again():
    game = Gymnasium(ID, 2, make_kwargs={"slate_size": 3})
    assert (game.spec.num_actions, game.spec.action_sizes, game.spec.action_shape) == (None, (1000,) * 3, (3,))
    assert game.spec.observation_shape == (30,)
    episodes = play_episodes(game, RandomActor(game.spec, 0), [7, 8])
    for episode in episodes:
        assert episode.episode_return > 0
        frames, rewards = zip(*game.replay(episode.seed, episode.actions), strict=True)
        assert sum(rewards) == episode.episode_return
    reds = [(frame == (200, 60, 60)).all(axis=-1).any(axis=0).sum() for frame in frames[1:]]
    assert max(reds) > 2 * 24  # more than two topics at once that nobody clicked on
    assert max(rewards) <= 3


def test_a_slate_is_played_by_sardines_own_rules():
    import sardine  # noqa: F401

    own, theirs = users(slate_size=10), gymnasium.make("sardine/SlateTopK-BoredInf-v0", disable_env_checker=True)
    observation, _ = own.reset(seed=5)
    _, info = theirs.unwrapped.reset(seed=int(gymnasium.utils.seeding.np_random(5)[0].integers(2**31)))
    generator = np.random.default_rng(0)
    for _ in range(100):
        np.testing.assert_array_equal(observation, info["user_state"])
        slate = generator.integers(1000, size=10)
        observation, reward, _, truncated, told = own.step(slate)
        _, their_reward, is_over, _, info = theirs.unwrapped.step(slate)
        assert (reward, truncated) == (their_reward, is_over)
        np.testing.assert_array_equal(told["clicks"], info["clicks"])
    assert truncated


def test_each_place_of_a_slate_is_clicked_by_itself_and_later_ones_less_often():
    env, clicks = users(boredom=False, slate_size=5), []
    for seed in range(20):
        env.reset(seed=seed)
        best = env.best_slate()
        assert len({*best.tolist()}) == 5
        twice = [best[0]] * 5  # an item may stand there more than once
        clicks += [env.step(np.array(twice))[4]["clicks"] for _ in range(100)]
    shares = np.mean(clicks, axis=0)
    assert shares == pytest.approx(0.85 ** np.arange(5), abs=0.04)
    assert np.sum(clicks, axis=1).max() == 5


def test_the_best_slate_is_that_of_sardines_own_oracle():
    env = users(slate_size=4)
    env.reset(seed=2)
    inner = env._users
    scores = inner.item_embedd @ inner.cur_user_embedd
    oracle = inner.get_st_oracle_slate(np.full(4, -1), scores)
    np.testing.assert_allclose(scores[env.best_slate()], scores[oracle])


def test_the_history_of_a_slate_has_every_place_of_it():
    env = users(shows="history", slate_size=3)
    env.reset(seed=3)
    sums = np.zeros((2, 10), np.float32)
    for _ in range(20):
        slate = np.array([*env.best_slate()[:2], 7])
        observation, reward, _, _, told = env.step(slate)
        for item, click in zip(slate, told["clicks"], strict=True):
            sums[int(click)] += env.items[item]
        assert reward == told["clicks"].sum()
    assert sums.any(axis=1).all()
    np.testing.assert_allclose(observation[10:], sums.ravel(), rtol=1e-5)


def test_topics_show_the_items_that_have_most_of_them():
    by_topics, by_number = users(action="topics", slate_size=4), users(slate_size=4)
    assert by_topics.action_space.shape == (10,)
    by_topics.reset(seed=1)
    by_number.reset(seed=1)
    for topic in (0, 3, 9):
        wanted = np.eye(10, dtype=np.float32)[topic]
        most = sorted(range(1000), key=lambda item: (-by_number.items[item, topic], item))[:4]
        found = by_topics.step(wanted), by_number.step(np.array(most))
        np.testing.assert_array_equal(found[0][0], found[1][0])
        assert found[0][1] == found[1][1]


def test_ppo_plays_slates_and_dqn_refuses_them(tmp_path):
    slates = ["env=recommender", "env.make_kwargs.slate_size=3", "logger=csv", "trainer.num_threads=1"]
    small = ["total_frames=1024", "algo.num_envs=8", "algo.rollout_length=64", "algo.num_epochs=1", "eval.episodes=1"]
    ends = ["eval.period_frames=1024", "eval.final_episodes=1", f"run_dir={tmp_path / 'run'}"]
    result = train("algo=ppo", *slates, *small, *ends)
    assert result.returncode == 0, result.stderr + result.stdout
    assert summary(tmp_path / "run")["updates"] > 0
    assert (tmp_path / "run" / "videos" / "evaluation.mp4").stat().st_size > 1000
    result = train("algo=dqn", *slates, f"run_dir={tmp_path / 'dqn'}")
    assert result.returncode == 2
    assert "3 choices at once" in result.stderr


@pytest.mark.parametrize(
    "make_kwargs",
    [
        {"boredom": 1}, {"shows": "all"}, {"action": "slate"}, {"slate_size": 0}, {"slate_size": 1001},
        {"slate_size": 2.5}, {"slate_size": True},
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(make_kwargs):
    ((key, value),) = make_kwargs.items()
    with pytest.raises(ConfigurationError, match=rf"env.make_kwargs.{key}={value} is not allowed"):
        Gymnasium(ID, 1, make_kwargs=make_kwargs)
