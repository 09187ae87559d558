"""When a run is over, and why."""

from types import SimpleNamespace

import pytest
import torch

from triptych.callbacks.finish import Finish


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


def test_a_solved_run_goes_on_only_with_a_larger_budget():
    solved = Finish(total_frames=100, solved_return=1.0)
    end_epoch(solved, 2.0)
    for total_frames, solved_return, stops in ((100, 1.0, True), (200, 1.0, False), (100, None, False)):
        again = Finish(total_frames, solved_return)
        again.load_state_dict(solved.state_dict())
        trainer = SimpleNamespace(should_stop=False)
        again.on_train_start(trainer, None)
        assert trainer.should_stop == stops
