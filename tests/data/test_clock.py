import pytest

from triptych.data.clock import Clock
from triptych.data.turns import Turn


def clock_of(total_turns, turns_per_epoch):
    """Make a clock whose turns are single frames."""
    return Clock(Turn(1, 1, 1), 1, total_frames=total_turns, period_frames=turns_per_epoch)


def epochs(clock, turns=0):
    """Play a run: list the turns of each epoch."""
    clock.turns, lengths = turns, []
    while clock.turns_left_in_epoch:
        lengths.append(clock.turns_left_in_epoch)
        clock.turns += lengths[-1]
    return lengths


@pytest.mark.parametrize("env_steps_per_turn", [1, 4, 16, 80])
@pytest.mark.parametrize(("total_frames", "period_frames"), [(1, 1), (999, 10), (1000, 300), (1000, 1000), (70, 5000)])
def test_epochs_cover_the_budget_exactly_and_each_ends_with_an_evaluation(
    env_steps_per_turn, total_frames, period_frames
):
    turn, frames_per_turn = Turn(1, env_steps_per_turn, 1), env_steps_per_turn * 4
    clock = Clock(turn, 4, total_frames=total_frames, period_frames=period_frames)
    lengths = epochs(clock)
    assert sum(lengths) == clock.total_turns == clock.turns
    assert clock.is_finished
    assert total_frames <= clock.total_frames == clock.frames < total_frames + frames_per_turn
    assert all(length == clock.turns_per_epoch for length in lengths[:-1])
    assert 1 <= lengths[-1] <= clock.turns_per_epoch
    assert period_frames <= clock.turns_per_epoch * frames_per_turn < period_frames + frames_per_turn


def test_an_interrupted_epoch_is_finished_first():
    assert epochs(clock_of(10, 4)) == [4, 4, 2]
    for turns, rest in [(1, [3, 4, 2]), (4, [4, 2]), (7, [1, 2]), (9, [1]), (10, []), (11, [])]:
        assert epochs(clock_of(10, 4), turns) == rest


def test_a_larger_budget_adds_epochs_and_moves_none():
    assert epochs(clock_of(6, 4)) == [4, 2]
    assert epochs(clock_of(13, 4), turns=6) == [2, 4, 1]


def test_env_steps_and_frames_by_hand():
    clock = Clock(Turn(vector_steps=2, env_steps=6, updates=3), 4, total_frames=100, period_frames=50)
    assert (clock.total_turns, clock.turns_per_epoch, clock.total_frames) == (5, 3, 120)
    assert (clock.env_steps, clock.frames, clock.is_finished) == (0, 0, False)
    clock.turns = 4
    assert (clock.env_steps, clock.frames, clock.is_finished) == (24, 96, False)
    clock.turns = 5
    assert (clock.env_steps, clock.frames, clock.is_finished) == (30, 120, True)


@pytest.mark.parametrize(("turns", "is_end"), [(0, False), (3, False), (4, True), (5, False), (8, True), (10, True)])
def test_an_evaluation_is_owed_where_an_epoch_ended_without_one(turns, is_end):
    clock = clock_of(10, 4)
    clock.turns = turns
    assert clock.owes_evaluation == is_end
    clock.evaluated_turns = turns
    assert not clock.owes_evaluation


def test_a_clock_goes_on_from_what_was_saved():
    before, after = clock_of(10, 4), clock_of(10, 4)
    before.turns, before.evaluated_turns = 8, 4
    after.load_state_dict(before.state_dict())
    assert (after.turns, after.evaluated_turns, after.owes_evaluation) == (8, 4, True)
    assert after.state_dict() == before.state_dict()


def test_vector_steps_of_a_turn_that_is_begun_count():
    clock = Clock(Turn(vector_steps=3, env_steps=6, updates=1), 4, total_frames=100, period_frames=50)
    found = []
    for _ in range(3):
        clock.vector_steps += 1
        found.append((clock.turns, clock.env_steps, clock.frames))
    clock.end_turn()
    found.append((clock.turns, clock.env_steps, clock.frames))
    assert found == [(0, 2, 8), (0, 4, 16), (0, 6, 24), (1, 6, 24)]
    clock.reopen_turn()
    again = Clock(clock.turn, 4, total_frames=100, period_frames=50)
    again.load_state_dict(clock.state_dict())
    assert (again.turns, again.vector_steps, again.env_steps) == (0, 3, 6)
