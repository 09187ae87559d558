"""Which rows are written, and when, on a trainer that only says where it is."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from triptych.callbacks.actions_file import read_actions
from triptych.callbacks.csv_file import read_rows
from triptych.callbacks.metrics import EPISODE_COLUMNS, METRIC_COLUMNS, Metrics
from triptych.types import Actions, Episode


class Keeper:
    """A logger that keeps what it is sent."""

    def __init__(self):
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows.append((dict(metrics), step))


class FakeTrainer:
    def __init__(self, frames=0):
        self.frames, self.is_finished, self.owes_evaluation = frames, False, False
        self.env_steps, self.vector_steps, self.ended, self.total_frames = 0, 0, [], 10**6
        self.loggers, self.callback_metrics = [Keeper(), Keeper()], {}
        self.state, self.sanity_checking = SimpleNamespace(fn="fit"), False
        self.datamodule = self.clock = self
        self.evaluator = SimpleNamespace(episodes=[])
        self.fit_loop = SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=0))

    def take_ended_episodes(self):
        ended, self.ended = self.ended, []
        return ended


class FakeModule:
    updates = 3

    def take_metrics(self):
        return {"train/loss": 0.123456789}


def play_to(metrics, trainer, frames, *episodes, is_finished=False):
    trainer.frames, trainer.env_steps, trainer.is_finished = frames, frames // 2, is_finished
    trainer.ended = list(episodes)
    metrics.on_train_batch_start(trainer, FakeModule(), None, 0)
    metrics.on_train_batch_end(trainer, FakeModule(), None, None, 0)


def evaluate(metrics, trainer, value):
    trainer.callback_metrics |= {"eval/return_mean": torch.tensor(float(value)), "other": torch.tensor(9.0)}
    metrics.on_validation_start(trainer, FakeModule())
    metrics.on_validation_end(trainer, FakeModule())


@pytest.fixture
def trainer():
    return FakeTrainer()


@pytest.fixture
def metrics(tmp_path, trainer):
    metrics = Metrics(tmp_path, period_frames=100, window_episodes=2)
    metrics.on_train_start(trainer, FakeModule())
    return metrics


def rows_of(tmp_path, name="metrics.csv"):
    return read_rows(tmp_path / name)[1]


def test_a_run_without_a_row_yet_has_the_columns(tmp_path, metrics):
    assert read_rows(tmp_path / "metrics.csv") == (METRIC_COLUMNS, [])
    assert read_rows(tmp_path / "episodes.csv") == (EPISODE_COLUMNS, [])


def test_rows_come_at_the_first_turn_of_each_period_and_at_the_end(tmp_path, metrics, trainer):
    for frames in range(30, 331, 30):
        play_to(metrics, trainer, frames, is_finished=frames == 330)
    assert [row["frames"] for row in rows_of(tmp_path)] == ["120", "210", "300", "330"]
    assert [row["env_steps"] for row in rows_of(tmp_path)] == ["60", "105", "150", "165"]
    assert {(row["updates"], row["train/loss"]) for row in rows_of(tmp_path)} == {("3", "0.123457")}


def test_every_logger_is_sent_each_row_on_the_axis_of_frames(metrics, trainer):
    play_to(metrics, trainer, 120)
    evaluate(metrics, trainer, 4.0)
    for logger in trainer.loggers:
        (training, step), (evaluation, later) = logger.rows
        assert step == later == training["frames"] == evaluation["frames"] == 120
        assert training["train/loss"] == 0.123456789  # rounded in the file alone
        assert evaluation["eval/return_mean"] == 4.0
        assert "other" not in evaluation
    assert metrics.row == evaluation


def test_what_others_log_through_lightning_has_the_frame_count_as_its_step(metrics, trainer):
    play_to(metrics, trainer, 70)
    assert trainer.fit_loop.epoch_loop._batches_that_stepped == 70


def test_an_evaluation_outside_training_writes_nothing(tmp_path, metrics, trainer):
    for state, is_sanity_check in (("validate", False), ("fit", True)):
        trainer.state.fn, trainer.sanity_checking = state, is_sanity_check
        evaluate(metrics, trainer, 4.0)
    assert rows_of(tmp_path) == []
    assert trainer.loggers[0].rows == []


def test_episodes_are_filed_and_the_latest_of_them_averaged(tmp_path, metrics, trainer):
    ended = [Episode(0, number, 70 + number, 10 * number, float(number), False, 20 * number) for number in (1, 2, 3)]
    play_to(metrics, trainer, 60, *ended)
    play_to(metrics, trainer, 120)
    assert [list(row.values()) for row in rows_of(tmp_path, "episodes.csv")] == [
        ["20", "0", "1", "71", "10", "1"],
        ["40", "0", "2", "72", "20", "2"],
        ["60", "0", "3", "73", "30", "3"],
    ]
    (row,) = rows_of(tmp_path)
    assert (row["collect/return_mean"], row["collect/episode_length_mean"]) == ("2.5", "25")


@pytest.mark.parametrize(("keep", "kept"), [("discrete", [0]), ("all", [0, 1]), ("none", [])])
def test_actions_are_kept_of_the_episodes_that_are_asked_for(tmp_path, trainer, keep, kept):
    metrics = Metrics(tmp_path, period_frames=100, keep_actions=keep)
    metrics.on_train_start(trainer, FakeModule())
    played = [Actions([2, 1]), Actions([np.ones(3, np.float32)])]
    play_to(metrics, trainer, 60, *(Episode(0, number, 7, 2, actions=one) for number, one in enumerate(played)))
    found = [read_actions(tmp_path / "actions.bin", 0, number) for number in (0, 1)]
    assert found == [one if number in kept else None for number, one in enumerate(played)]


def test_a_run_that_goes_on_drops_what_came_after_its_checkpoint(tmp_path, metrics, trainer):
    ended = Episode(0, 1, 71, 10, 1.0, False, 250)
    play_to(metrics, trainer, 100)
    play_to(metrics, trainer, 200)
    play_to(metrics, trainer, 230, Episode(0, 0, 70, 10, 1.0, False, 230))
    state = metrics.state_dict()
    play_to(metrics, trainer, 300, ended)
    again, trainer = Metrics(tmp_path, period_frames=100), FakeTrainer(frames=230)
    again.load_state_dict(state)
    again.on_train_start(trainer, FakeModule())
    assert [row["frames"] for row in rows_of(tmp_path)] == ["100", "200"]
    assert [row["frames"] for row in rows_of(tmp_path, "episodes.csv")] == ["230"]
    play_to(again, trainer, 290)
    play_to(again, trainer, 300)
    assert [row["frames"] for row in rows_of(tmp_path)] == ["100", "200", "300"]
    assert rows_of(tmp_path)[-1]["collect/return_mean"] == "1"  # the episodes before are remembered
    assert rows_of(tmp_path)[-1]["collect/interval_return_mean"] == "1"


def test_a_run_that_stops_within_a_turn_files_the_row_that_is_due_at_its_end(tmp_path, trainer):
    metrics = Metrics(tmp_path, period_frames=50)
    metrics.on_train_start(trainer, FakeModule())
    for frames in range(16, 65, 16):
        play_to(metrics, trainer, frames)
    state = metrics.state_dict()
    again, trainer = Metrics(tmp_path, period_frames=50), FakeTrainer(frames=108)  # of a turn that ends at 112
    again.load_state_dict(state)
    again.on_train_start(trainer, FakeModule())
    for frames in range(112, 161, 16):
        play_to(again, trainer, frames)
    assert [row["frames"] for row in rows_of(tmp_path)] == ["64", "112", "160"]


def test_an_evaluation_that_is_owed_is_filed_once(tmp_path, metrics, trainer):
    play_to(metrics, trainer, 100)
    evaluate(metrics, trainer, 4.0)
    again, trainer = Metrics(tmp_path, period_frames=100), FakeTrainer(frames=100)
    again.load_state_dict(metrics.state_dict())
    trainer.owes_evaluation = True
    again.on_train_start(trainer, FakeModule())
    play_to(again, trainer, 100, is_finished=True)  # an empty turn, which has nothing to tell
    evaluate(again, trainer, 4.0)
    found = [(row["frames"], row["train/loss"], row["eval/return_mean"]) for row in rows_of(tmp_path)]
    assert found == [("100", "0.123457", ""), ("100", "", "4")]


def test_wall_time_goes_on_and_evaluations_are_no_training(tmp_path, trainer, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    metrics = Metrics(tmp_path, period_frames=100)
    before = {"recent": [], "since_row": [], "interval_frames": 0, "interval_s": 0.0}
    metrics.load_state_dict(before | {"wall_time_s": 50.0})
    metrics.on_train_start(trainer, FakeModule())
    now[0] += 4
    trainer.callback_metrics = {"eval/return_mean": torch.tensor(1.0)}
    metrics.on_validation_start(trainer, FakeModule())
    now[0] += 6
    metrics.on_validation_end(trainer, FakeModule())
    now[0] += 1
    play_to(metrics, trainer, 200)
    assert metrics.wall_time_s == 61.0
    assert rows_of(tmp_path)[-1]["wall_time_s"] == "61"
    assert rows_of(tmp_path)[-1]["train/frames_per_second"] == "40"


class Forgetful(Keeper):
    """A logger that can take rows back."""

    def __init__(self):
        super().__init__()
        self.went_on_from = []

    def go_on_from(self, frames):
        self.went_on_from.append(frames)
        self.rows = [(row, step) for row, step in self.rows if step < frames]


@pytest.mark.parametrize(("owes", "first"), [(False, 9), (True, 8)])
def test_a_logger_that_can_forgets_what_is_played_anew(tmp_path, owes, first):
    forgetful, before = Forgetful(), FakeTrainer()
    before.loggers = [forgetful, Keeper()]
    metrics = Metrics(tmp_path, period_frames=4)
    metrics.on_train_start(before, FakeModule())
    play_to(metrics, before, 8)
    evaluate(metrics, before, 2.0)
    play_to(metrics, before, 12)
    again = FakeTrainer(frames=8)
    again.loggers, again.owes_evaluation = [forgetful, Keeper()], owes
    Metrics(tmp_path, period_frames=4).on_train_start(again, FakeModule())
    assert forgetful.went_on_from == [1, first]
    assert [("eval/return_mean" in row, step) for row, step in forgetful.rows] == [(False, 8), (True, 8)][: 2 - owes]
    assert again.loggers[1].rows == []


@pytest.mark.parametrize(
    ("total_frames", "period_frames", "num_rows"),
    [(1000, 20_000, 50), (999, 20_000, 53), (4000, 20_000, 50), (10_000, 100, 100), (100, 20_000, 25)],
)
def test_a_short_run_has_rows_too(tmp_path, trainer, total_frames, period_frames, num_rows):
    trainer.total_frames = total_frames
    metrics = Metrics(tmp_path, period_frames)
    metrics.on_train_start(trainer, FakeModule())
    for frames in range(4, total_frames + 4, 4):
        play_to(metrics, trainer, frames, is_finished=frames >= total_frames)
    assert len(rows_of(tmp_path)) == num_rows


def test_without_a_least_number_of_rows_the_period_holds(tmp_path, trainer):
    trainer.total_frames = 1000
    metrics = Metrics(tmp_path, 500, least_rows=0)
    metrics.on_train_start(trainer, FakeModule())
    for frames in range(4, 1004, 4):
        play_to(metrics, trainer, frames)
    assert [row["frames"] for row in rows_of(tmp_path)] == ["500", "1000"]
