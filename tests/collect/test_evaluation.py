import numpy as np
import pytest

from tests.fakes import BrokenGame, RandomAct, Script, ScriptedGame, label
from triptych.collect.evaluation import play_episodes
from triptych.envs.atari import Atari
from triptych.envs.gymnasium import Gymnasium
from triptych.types import NotFinite

SEEDS = [31, 2, 17, 5, 90, 4, 8]


def script_of(env_index, episode_index, seed):
    """Make long episodes bad ones: the length is the seed, the return its negative."""
    return Script([-1.0] * seed, "truncated" if seed % 2 else "terminated")


@pytest.mark.parametrize("num_envs", [1, 2, 3, 7, 12])
def test_exactly_the_given_seeds_are_played_to_their_ends(num_envs):
    game = ScriptedGame(script_of, num_envs)
    game.script_of = lambda env, episode, seed: script_of(env, episode, seed or 3)  # 0: an idle environment
    episodes = play_episodes(game, RandomAct(), SEEDS)
    assert [episode.seed for episode in episodes] == SEEDS
    assert [episode.episode_index for episode in episodes] == list(range(7))
    assert [episode.length for episode in episodes] == SEEDS
    assert [len(episode.actions) for episode in episodes] == SEEDS
    assert [episode.episode_return for episode in episodes] == [-seed for seed in SEEDS]
    assert [episode.is_truncated for episode in episodes] == [seed % 2 == 1 for seed in SEEDS]
    started = [seed for seeds in game.seeds for seed in seeds if seed]
    assert sorted(started) == sorted(SEEDS)


def test_the_mean_is_not_biased_towards_short_episodes():
    rng = np.random.default_rng(0)
    seeds = rng.choice([1, 100], size=60).tolist()
    game = ScriptedGame(lambda env, episode, seed: script_of(env, episode, seed or 1), 8)
    returns = [episode.episode_return for episode in play_episodes(game, RandomAct(), seeds)]
    assert np.mean(returns) == -np.mean(seeds)


def test_the_same_seed_twice_is_played_twice():
    game = ScriptedGame(lambda env, episode, seed: script_of(env, episode, seed or 1), 3)
    assert [e.seed for e in play_episodes(game, RandomAct(), [5, 5, 5, 5])] == [5, 5, 5, 5]


def test_actions_are_those_chosen_for_the_episode_and_observations_never_come_after_its_end():
    chosen = []

    def act(observation):
        chosen.append([(label(one), len(chosen)) for one in observation])
        return np.full(len(observation), len(chosen) - 1), {}

    game = ScriptedGame(lambda env, episode, seed: script_of(env, episode, seed or 1), 2)
    episodes = play_episodes(game, act, [3, 5, 4])
    acted = {}
    for row in chosen:
        for (env_index, episode_index, time), call in row:
            acted.setdefault((env_index, episode_index), []).append((time, call))
    for calls in acted.values():
        assert [time for time, _ in calls] == list(range(len(calls)))
    assert [int(action) for action in episodes[0].actions] == [0, 1, 2]
    assert [int(action) for action in episodes[1].actions] == [0, 1, 2, 3, 4]
    assert [int(action) for action in episodes[2].actions] == [3, 4, 5, 6]


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_a_number_that_is_not_finite_stops_an_evaluation(what):
    game = BrokenGame(what, at=2)
    with pytest.raises(NotFinite, match=rf"its {what} is not finite, 2 steps after the start from seed 8"):
        play_episodes(game, RandomAct(), [7, 8, 9])


@pytest.mark.parametrize("num_envs", [1, 2, 3, 7, 12])
def test_an_episode_that_goes_on_too_long_is_cut_and_no_other(num_envs):
    game = ScriptedGame(lambda env, episode, seed: script_of(env, episode, seed or 1000), num_envs, may_be_cut=True)
    seeds = [31, 8, 7, 9, 90, 4, 8]  # those of 8 steps end of themselves just where others are cut
    episodes = play_episodes(game, RandomAct(), seeds, max_steps=8)
    assert [episode.seed for episode in episodes] == seeds
    assert [episode.length for episode in episodes] == [8, 8, 7, 8, 8, 4, 8]
    assert [len(episode.actions) for episode in episodes] == [8, 8, 7, 8, 8, 4, 8]
    assert [episode.episode_return for episode in episodes] == [-8, -8, -7, -8, -8, -4, -8]
    assert [episode.is_truncated for episode in episodes] == [True, False, True, True, True, False, False]
    started = [seed for seeds in game.seeds for seed in seeds if seed]
    assert sorted(started) == sorted(seeds)  # each once


@pytest.mark.parametrize("max_steps", [None, 90])
def test_a_cap_that_nobody_reaches_changes_nothing(max_steps):
    game = ScriptedGame(lambda env, episode, seed: script_of(env, episode, seed or 1), 3)  # a cut would fail
    episodes = play_episodes(game, RandomAct(), SEEDS, max_steps)
    assert [episode.length for episode in episodes] == SEEDS
    assert [episode.is_truncated for episode in episodes] == [seed % 2 == 1 for seed in SEEDS]


@pytest.mark.parametrize(
    "make",
    [
        lambda num_envs: Gymnasium("CartPole-v1", num_envs),
        lambda num_envs: Gymnasium("CartPole-v1", num_envs, use_processes=True),
        lambda num_envs: Atari("pong", num_envs, num_threads=1, noop_max=5),
    ],
    ids=["cartpole", "processes", "pong"],
)
def test_after_a_cut_the_next_episode_begins_from_its_seed(make):
    def play(num_envs, seeds):
        game = make(num_envs)
        try:
            return play_episodes(game, act, seeds, max_steps=12)
        finally:
            game.close()

    first_of = []

    def act(observation):
        first_of.append(observation.copy())
        return np.full(len(observation), len(first_of) % 2), {}

    together = play(2, [3, 4, 5, 6])
    begun = {3: first_of[0][0], 4: first_of[0][1]}
    assert {episode.length for episode in together if episode.is_truncated} == {12}
    assert sum(episode.is_truncated for episode in together) >= 2
    later = next(episode for episode in together if episode.seed == 5)
    at = together[later.env_index].length
    begun[5] = first_of[at][later.env_index]
    for seed, observation in begun.items():
        first_of.clear()
        play(1, [seed])
        np.testing.assert_array_equal(first_of[0][0], observation)
