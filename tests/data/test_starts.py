"""Validation, test and confirmation never share a start while there are any left."""

import functools

import numpy as np
import pytest

from triptych.collect.evaluation import play_episodes
from triptych.data.evaluation import EvaluationPlan, Evaluator
from triptych.data.starts import (
    CONFIRM_STREAM,
    EVALUATE_STREAM,
    OPENING_ENV_STEPS,
    TEST_STREAM,
    VALIDATION_STREAM,
    FewStartsPlan,
)
from triptych.envs.atari import Atari

pong = functools.partial(Atari, "pong", noop_max=30)


@pytest.fixture(scope="module")
def game():
    game = pong(3)
    yield game
    game.close()


@pytest.mark.parametrize("noop_max", [0, 1, 7, 30])
def test_the_emulator_makes_as_many_no_ops_as_the_seed_says(noop_max):
    game, seeds = Atari("pong", 4, noop_max=noop_max), np.array([0, 1, 2**31 - 1, 77])
    _, info = game._envs.reset(seed=seeds)
    assert info["frame_number"].tolist() == [game.start_of(int(seed)) for seed in seeds]
    game.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thirty_starts_suffice_for_ten_episodes_of_each_purpose(game, seed):
    plan = FewStartsPlan(seed, game.spec.num_starts, game.start_of, num_validation=10, num_test=10)
    dealt = {stream: plan.starts(stream, 10) for stream in (VALIDATION_STREAM, TEST_STREAM, CONFIRM_STREAM)}
    assert all(start.num_random_actions == 0 for starts in dealt.values() for start in starts)
    no_ops = [game.start_of(start.seed) for starts in dealt.values() for start in starts]
    assert sorted(no_ops) == list(range(30))
    assert plan.starts(TEST_STREAM, 4) == dealt[TEST_STREAM][:4]  # always the same ones


def test_beyond_them_an_episode_begins_with_random_actions_of_its_own(game):
    plan = FewStartsPlan(1, 30, game.start_of, num_validation=10, num_test=30)
    validation, test = plan.starts(VALIDATION_STREAM, 10), plan.starts(TEST_STREAM, 30)
    assert [start.num_random_actions for start in test] == [0] * 20 + [OPENING_ENV_STEPS] * 10
    assert len({start.seed for start in validation + test}) == 40
    seen = {game.start_of(start.seed) for start in validation}
    assert seen.isdisjoint(game.start_of(start.seed) for start in test[:20])
    later = plan.starts(EVALUATE_STREAM, 5)
    assert {start.num_random_actions for start in later} == {OPENING_ENV_STEPS}
    assert {start.seed for start in later}.isdisjoint(start.seed for start in validation + test)


def test_each_purpose_has_games_of_its_own_and_random_actions_come_first():
    chosen = []

    def act(observation, mode):
        chosen.append(len(observation))
        return np.zeros(len(observation), np.int64), {}

    plan = EvaluationPlan(1, episodes=20, final_episodes=11, num_envs=6, max_episode_steps=OPENING_ENV_STEPS + 2)
    evaluator = Evaluator(pong, act, seed=5, plan=plan)
    validation, test = evaluator.play(VALIDATION_STREAM, 20), evaluator.play(TEST_STREAM, 11)
    assert all(list(episode.actions) == [0] * 12 for episode in validation + test[:10])
    opening = list(test[10].actions)
    assert opening[:OPENING_ENV_STEPS] != [0] * OPENING_ENV_STEPS
    assert opening[OPENING_ENV_STEPS:] == [0, 0]
    assert evaluator.play(TEST_STREAM, 11)[10].actions == test[10].actions
    assert not any(episode.actions == test[10].actions for episode in evaluator.play(EVALUATE_STREAM, 5))


def test_sticky_actions_make_every_seed_a_start():
    game = Atari("pong", 1, repeat_action_prob=0.25)
    assert game.spec.num_starts is None
    game.close()


def test_random_actions_are_replayed_like_all_others(game):
    def act(observation):
        return np.full(len(observation), 2), {}

    (episode,) = play_episodes(game, act, [11], 30, [OPENING_ENV_STEPS])
    frames = list(game.replay(episode.seed, episode.actions))
    assert len(frames) == 31
    assert sum(reward for _, reward in frames) == episode.episode_return
