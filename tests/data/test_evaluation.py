"""Which episodes an evaluation plays, how, and who is told of it."""

import numpy as np
import pytest
import torch

from tests.fakes import Script, ScriptedGame, random_script
from triptych.collect.collector import episode_seed
from triptych.data.evaluation import EvaluationDataset, EvaluationPlan, Evaluator
from triptych.data.starts import CONFIRM_STREAM, EVALUATE_STREAM, TEST_STREAM, VALIDATION_STREAM
from triptych.types import EVALUATE, EvaluationResult

WITH_CLOSED_EYES = f"{EVALUATE}_with_closed_eyes"


class Table:
    """Games, and an act that keeps how it was asked to play and what the evaluator said meanwhile."""

    def __init__(self, num_envs=2, script_of=random_script, max_episode_steps=100):
        self.script_of, self.games, self.modes, self.was_playing, self.said = script_of, [], [], [], []
        plan = EvaluationPlan(10, episodes=4, final_episodes=3, num_envs=num_envs, max_episode_steps=max_episode_steps)
        self.evaluator = Evaluator(self.make_game, self.act, seed=7, plan=plan)
        self.evaluator.say = self.said.append

    def make_game(self, num_envs):
        self.games.append(ScriptedGame(self.script_of, num_envs, may_be_cut=True))
        return self.games[-1]

    def act(self, observation, *, mode):
        self.modes.append(mode)
        self.was_playing.append(self.evaluator.is_playing)
        return np.zeros(len(observation), np.int64), {}


def test_the_episodes_of_a_stream_are_always_the_same():
    table = Table()
    first, again = (table.evaluator.play(TEST_STREAM, 5) for _ in range(2))
    assert [episode.seed for episode in first] == [episode_seed(7, TEST_STREAM, index) for index in range(5)]
    assert first == again
    assert [episode.episode_return for episode in first] == pytest.approx(
        [sum(random_script(0, 0, episode.seed).rewards) for episode in first], abs=1e-5
    )
    other = table.evaluator.play(VALIDATION_STREAM, 5)
    assert {episode.seed for episode in first}.isdisjoint(episode.seed for episode in other)


def test_the_streams_differ_and_no_environment_that_trains_has_their_numbers():
    streams = {VALIDATION_STREAM, TEST_STREAM, EVALUATE_STREAM, CONFIRM_STREAM}
    assert len(streams) == 4
    assert min(streams) > 10**6


@pytest.mark.parametrize(("num_episodes", "num_envs"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_no_more_environments_are_made_than_there_are_episodes_and_they_are_closed(num_episodes, num_envs):
    table = Table(num_envs=3)
    assert len(table.evaluator.play(TEST_STREAM, num_episodes)) == num_episodes
    (game,) = table.games
    assert game.num_envs == num_envs
    assert game.is_closed


def test_it_plays_while_it_plays_and_not_after():
    table = Table()
    assert not table.evaluator.is_playing
    table.evaluator.play(TEST_STREAM, 3)
    assert set(table.was_playing) == {True}
    assert not table.evaluator.is_playing


def test_after_an_error_it_no_longer_plays_and_its_environments_are_closed():
    def fail(*_):
        raise KeyboardInterrupt

    table = Table(script_of=fail)
    with pytest.raises(KeyboardInterrupt):
        table.evaluator.play(TEST_STREAM, 3)
    assert not table.evaluator.is_playing
    assert table.games[0].is_closed


def test_the_episodes_that_are_kept_are_those_of_the_mode_that_counts():
    table = Table()
    counting = table.evaluator.play(TEST_STREAM, 3)
    table.evaluator.play(VALIDATION_STREAM, 4, WITH_CLOSED_EYES)
    assert table.evaluator.episodes is counting
    latest = table.evaluator.play(VALIDATION_STREAM, 4, EVALUATE)
    assert table.evaluator.episodes is latest


def test_a_dataset_has_one_result_for_each_mode():
    table = Table()
    dataset = EvaluationDataset(table.evaluator, VALIDATION_STREAM, 3, (EVALUATE, WITH_CLOSED_EYES))
    assert len(dataset) == 2
    results = list(dataset)
    assert all(isinstance(result, EvaluationResult) for result in results)
    assert [result.mode for result in results] == [EVALUATE, WITH_CLOSED_EYES]
    assert list(dict.fromkeys(table.modes)) == [EVALUATE, WITH_CLOSED_EYES]
    assert torch.equal(results[0].returns, results[1].returns)  # of the same episodes
    assert results[0].returns.dtype == torch.float32
    assert results[0].returns.tolist() == [np.float32(e.episode_return) for e in table.evaluator.episodes]


def test_the_end_is_told_once_all_is_played_and_before_the_last_result_is_handed_over():
    table, ends = Table(), []
    modes = (EVALUATE, WITH_CLOSED_EYES)
    dataset = EvaluationDataset(table.evaluator, TEST_STREAM, 2, modes, lambda: ends.append(len(table.games)))
    results = iter(dataset)
    next(results)
    assert ends == []
    next(results)
    assert ends == [2]
    assert next(results, None) is None
    assert ends == [2]


def test_a_plan_shares_its_episodes_among_eight_environments_and_cuts_them_after_half_an_hour():
    assert EvaluationPlan(period_frames=10, episodes=2, final_episodes=3) == (10, 2, 3, 8, 30 * 60 * 15)


def test_that_episodes_are_cut_is_said_once():
    table = Table(script_of=lambda *_: Script([1.0] * 50), max_episode_steps=20)
    for mode in (EVALUATE, WITH_CLOSED_EYES, EVALUATE):
        episodes = table.evaluator.play(VALIDATION_STREAM, 3, mode)
        assert [(episode.length, episode.is_truncated, episode.episode_return) for episode in episodes] == [
            (20, True, 20)
        ] * 3
    (line,) = table.said
    assert "eval.max_episode_steps=20" in line


@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_nothing_is_said_of_episodes_that_end_of_themselves(end):
    table = Table(script_of=lambda *_: Script([1.0] * 19, end), max_episode_steps=20)
    table.evaluator.play(VALIDATION_STREAM, 3)
    assert table.said == []


def test_a_confirmation_plays_other_games_and_leaves_the_latest_evaluation_as_it_was():
    table = Table()
    latest = table.evaluator.play(VALIDATION_STREAM, 4)
    seeds = [episode_seed(7, CONFIRM_STREAM, index) for index in range(4)]
    expected = np.mean([sum(random_script(0, 0, seed).rewards) for seed in seeds])
    assert table.evaluator.confirm() == pytest.approx(expected, abs=1e-5)
    assert table.evaluator.episodes is latest
    assert set(table.modes) == {EVALUATE}


def test_an_episode_that_its_environment_truncates_just_then_was_not_cut():
    table = Table(script_of=lambda *_: Script([1.0] * 20, "truncated"), max_episode_steps=20)
    table.evaluator.play(VALIDATION_STREAM, 3)
    assert table.said == []
