from fractions import Fraction

import pytest

from triptych.data.turns import Calendar, make_turn

RATIOS = [0.125, 0.25, 1 / 3, 0.5, 1, 1.5, 2, 2.5, 4, 7, 100]


@pytest.mark.parametrize("env_steps_per_update", RATIOS)
@pytest.mark.parametrize("num_envs", [1, 2, 3, 5, 8, 12, 16, 64, 100])
def test_env_steps_per_update_are_exact_in_the_fewest_vector_steps(num_envs, env_steps_per_update):
    ratio = Fraction(env_steps_per_update).limit_denominator(100)
    turn = make_turn(num_envs, env_steps_per_update)
    assert turn.env_steps == turn.vector_steps * num_envs
    assert Fraction(turn.env_steps, turn.updates) == ratio
    fewer = range(1, turn.vector_steps)
    assert not any((Fraction(steps * num_envs) / ratio).denominator == 1 for steps in fewer)


@pytest.mark.parametrize(("num_envs", "turn"), [(16, (1, 16, 4)), (1, (4, 4, 1)), (6, (2, 12, 3)), (5, (4, 20, 5))])
def test_four_env_steps_per_update_by_hand(num_envs, turn):
    assert make_turn(num_envs, 4) == turn


def test_a_multiple_keeps_the_ratio():
    assert make_turn(16, 4, vector_steps_multiple=5) == (5, 80, 20)


def epochs(calendar, turns=0):
    """Play a run: list the turns of each epoch."""
    lengths = []
    while calendar.turns_left_in_epoch(turns):
        lengths.append(calendar.turns_left_in_epoch(turns))
        turns += lengths[-1]
    return lengths


@pytest.mark.parametrize("env_steps_per_turn", [1, 4, 16, 80])
@pytest.mark.parametrize(("total_frames", "period_frames"), [(1, 1), (999, 10), (1000, 300), (1000, 1000), (70, 5000)])
def test_epochs_cover_the_budget_exactly_and_each_ends_with_an_evaluation(
    env_steps_per_turn, total_frames, period_frames
):
    calendar = Calendar.make(env_steps_per_turn, 4, total_frames, period_frames)
    frames_per_turn = env_steps_per_turn * 4
    lengths = epochs(calendar)
    assert sum(lengths) == calendar.total_turns
    assert total_frames <= calendar.total_turns * frames_per_turn < total_frames + frames_per_turn
    assert all(length == calendar.turns_per_epoch for length in lengths[:-1])
    assert 1 <= lengths[-1] <= calendar.turns_per_epoch
    assert period_frames <= calendar.turns_per_epoch * frames_per_turn < period_frames + frames_per_turn


def test_an_interrupted_epoch_is_finished_first():
    calendar = Calendar(total_turns=10, turns_per_epoch=4)
    assert epochs(calendar) == [4, 4, 2]
    for turns, rest in [(1, [3, 4, 2]), (4, [4, 2]), (7, [1, 2]), (9, [1]), (10, []), (11, [])]:
        assert epochs(calendar, turns) == rest


def test_a_larger_budget_adds_epochs_and_moves_none():
    assert epochs(Calendar(6, 4)) == [4, 2]
    assert epochs(Calendar(13, 4), turns=6) == [2, 4, 1]
