"""Who started a run is told of its evaluations, and may end it."""

from types import SimpleNamespace

import pytest

from triptych.callbacks.evaluations import Evaluations
from triptych.types import RunInterrupted


def trainer_at(frames, value, should_stop=False):
    metrics = {} if value is None else {"eval/return_mean": value}
    clock = SimpleNamespace(frames=frames)
    return SimpleNamespace(callback_metrics=metrics, datamodule=SimpleNamespace(clock=clock), should_stop=should_stop)


def test_it_tells_and_ends_the_run_where_that_is_the_answer():
    told = []
    callback = Evaluations(lambda frames, value: told.append((frames, value)) or value < 0)
    callback.on_train_epoch_end(trainer_at(100, 1.0), None)
    callback.on_train_epoch_end(trainer_at(200, None), None)
    with pytest.raises(RunInterrupted):
        callback.on_train_epoch_end(trainer_at(300, -1.0), None)
    callback.on_train_epoch_end(trainer_at(400, -1.0, should_stop=True), None)  # it has come to its end
    assert told == [(100, 1.0), (300, -1.0), (400, -1.0)]


def test_a_run_that_had_come_to_its_end_was_not_ended_by_the_answer():
    callback = Evaluations(lambda frames, value: value < 0)
    callback.on_train_epoch_end(trainer_at(400, -1.0, should_stop=True), None)
    assert not callback.has_ended_it  # who stops it now is a user
    with pytest.raises(RunInterrupted):
        callback.on_train_epoch_end(trainer_at(400, -1.0), None)
    assert callback.has_ended_it
