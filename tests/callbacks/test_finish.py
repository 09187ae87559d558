"""When a run is over, and why."""

from types import SimpleNamespace

import pytest
import torch

from triptych.callbacks.finish import Finish
from triptych.types import RunInterrupted


def end_epoch(finish, value=None, *, is_finished=False, should_stop=False):
    metrics = {} if value is None else {"eval/return_mean": torch.tensor(float(value))}
    data = SimpleNamespace(clock=SimpleNamespace(is_finished=is_finished))
    trainer = SimpleNamespace(callback_metrics=metrics, datamodule=data, should_stop=should_stop)
    finish.on_train_epoch_end(trainer, None)
    if trainer.should_stop:
        finish.on_train_end(trainer, None)
    return trainer.should_stop


@pytest.mark.parametrize(
    ("epoch", "stops", "stop_reason"),
    [
        ({"value": 0.9}, False, "total_frames"),
        ({"value": 1.0}, True, "solved"),
        ({"value": 0.9, "is_finished": True}, True, "total_frames"),
        ({"value": 0.9, "should_stop": True}, True, "callback"),
        ({"value": 1.0, "is_finished": True, "should_stop": True}, True, "solved"),
    ],
)
def test_a_run_ends_when_it_is_solved_used_up_or_stopped_by_another_callback(epoch, stops, stop_reason):
    finish = Finish(total_frames=100, solved_return=1.0)
    assert end_epoch(finish, **epoch) == stops
    assert finish.stop_reason == stop_reason


def test_a_run_ends_when_its_minutes_are_used_up():
    seconds = iter([59.0, 60.0])
    finish = Finish(total_frames=100, solved_return=None, total_minutes=1.0, wall_time_s=lambda: next(seconds))
    data = SimpleNamespace(clock=SimpleNamespace(is_finished=False))
    trainer = SimpleNamespace(callback_metrics={}, datamodule=data, should_stop=False)
    finish.on_train_batch_end(trainer, None)
    assert not trainer.should_stop
    finish.on_train_batch_end(trainer, None)
    assert trainer.should_stop
    finish.on_train_end(trainer, None)
    assert finish.stop_reason == "total_minutes"


def clock_at(turns, evaluated_turns, vector_steps=0):
    return SimpleNamespace(is_finished=False, turns=turns, evaluated_turns=evaluated_turns, vector_steps=vector_steps)


def test_an_evaluation_that_uses_up_the_minutes_is_the_last():
    finish = Finish(total_frames=100, solved_return=None, total_minutes=1.0, wall_time_s=lambda: 61.0)
    assert end_epoch(finish, 0.5)
    assert finish.stop_reason == "total_minutes"


@pytest.mark.parametrize(
    ("clock", "stops"),
    [(clock_at(5, 5), True), (clock_at(5, 4), False), (clock_at(5, 5, vector_steps=1), False), (clock_at(0, 0), False)],
)
def test_a_run_without_minutes_left_goes_on_only_for_an_evaluation(clock, stops):
    finish = Finish(total_frames=100, solved_return=None, total_minutes=1.0, wall_time_s=lambda: 61.0)
    trainer = SimpleNamespace(should_stop=False, datamodule=SimpleNamespace(clock=clock))
    finish.on_train_start(trainer, None)
    assert trainer.should_stop == stops


class Module:
    """Keeps in which order it was asked to evaluate and to train."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda: self.calls.append(name)


@pytest.mark.parametrize(("confirmed", "stops"), [(1.0, True), (0.9, False)])
def test_solved_is_confirmed_on_games_of_its_own(confirmed, stops):
    lines, module = [], Module()

    def confirm():
        module.calls.append("confirm")
        return confirmed

    finish = Finish(100, 1.0, confirm, lines.append)
    clock = SimpleNamespace(is_finished=False)
    metrics = {"eval/return_mean": torch.tensor(1.2)}
    trainer = SimpleNamespace(callback_metrics=metrics, datamodule=SimpleNamespace(clock=clock), should_stop=False)
    finish.on_train_epoch_end(trainer, module)
    assert trainer.should_stop == finish.is_solved == stops
    assert module.calls == ["eval", "on_validation_start", "confirm", "train"]
    assert "1.20 in the evaluation" in lines[0]
    metrics["eval/return_mean"] = torch.tensor(0.5)
    finish.on_train_epoch_end(trainer, module)
    assert len(lines) == 1  # below the mark nothing needs a confirmation


def test_a_solved_run_goes_on_only_with_a_larger_budget():
    solved = Finish(total_frames=100, solved_return=1.0)
    end_epoch(solved, 2.0)
    for total_frames, solved_return, stops in ((100, 1.0, True), (200, 1.0, False), (100, None, False)):
        again = Finish(total_frames, solved_return)
        again.load_state_dict(solved.state_dict())
        trainer = SimpleNamespace(should_stop=False, datamodule=SimpleNamespace(clock=clock_at(5, 5)))
        again.on_train_start(trainer, None)
        assert trainer.should_stop == stops


def test_a_confirmation_that_was_cut_off_is_played_again_with_its_evaluation():
    def confirm():
        raise RunInterrupted

    finish = Finish(100, 1.0, confirm)
    clock = SimpleNamespace(is_finished=False, evaluated_turns=5)
    metrics = {"eval/return_mean": torch.tensor(1.2)}
    trainer = SimpleNamespace(callback_metrics=metrics, datamodule=SimpleNamespace(clock=clock), should_stop=False)
    with pytest.raises(RunInterrupted):
        finish.on_train_epoch_end(trainer, Module())
    assert clock.evaluated_turns != 5  # so the evaluation is owed
    assert not finish.is_solved


def test_a_run_that_another_callback_ended_stays_ended_until_its_budget_is_raised():
    ended = Finish(total_frames=100, solved_return=None)
    assert end_epoch(ended, 0.5, should_stop=True)
    used_up = Finish(total_frames=100, solved_return=None)
    assert end_epoch(used_up, 0.5, is_finished=True)
    for earlier, total_frames, stops in ((ended, 100, True), (ended, 200, False), (used_up, 100, False)):
        again = Finish(total_frames, None)
        again.load_state_dict(earlier.state_dict())
        trainer = SimpleNamespace(should_stop=False, datamodule=SimpleNamespace(clock=clock_at(5, 5)))
        again.on_train_start(trainer, None)
        assert trainer.should_stop == stops
