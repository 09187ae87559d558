"""What is said of a run while it goes on, on a trainer that only says where it is."""

import time
from types import SimpleNamespace

import pytest

from triptych.callbacks.phases import Phases
from triptych.callbacks.progress import Progress, describe
from triptych.types import EmptyTurn, ReplayBatch

ROW = {
    "frames": 2_345_664,
    "train/frames_per_second": 1060.2,
    "collect/return_mean": -20.31,
    "train/epsilon": 0.871,
    "train/loss": 0.03281,
    "train/grad_norm": 3.0,
}
EVALUATION = {"frames": 2_345_664, "eval/return_mean": -20.0, "eval/human_normalized_score": 0.021}


def test_the_line_holds_what_matters_most():
    assert describe(ROW) == "1,060 frames/s  return -20.3  ε 0.87  loss 0.0328"
    assert describe(EVALUATION) == "eval -20.0  human-normalised 0.02"
    assert describe({"frames": 4}) == ""


class Run:
    """A run of 1000 turns of 4 env steps, 8 frames and 2 updates, the first 100 of which only fill the replay."""

    def __init__(self, monkeypatch, seconds_per_turn=1.0, total_turns=1000, fill_turns=100):
        self.now, self.seconds_per_turn, self.lines = 1000.0, seconds_per_turn, []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        turn = SimpleNamespace(env_steps=4, updates=2)
        self.clock = SimpleNamespace(
            turn=turn, turns=0, env_steps=0, frames=0, total_frames=8 * total_turns, total_turns=total_turns,
            turns_per_epoch=500, evaluated_turns=0,
        )  # fmt: skip
        self.fill_turns = fill_turns
        self.metrics = SimpleNamespace(row={})
        self.phases = Phases(is_shown=False)
        self.progress = Progress(self.metrics, self.phases, self.lines.append)
        self.module = SimpleNamespace(updates=0)
        self.trainer = SimpleNamespace(datamodule=self, state=SimpleNamespace(fn="fit"))
        self.plan = SimpleNamespace(episodes=10)
        self.learning_begins_env_steps = 4 * fill_turns
        self.progress.on_train_start(self.trainer, self.module)

    @property
    def is_filling(self):
        return self.clock.turns < self.fill_turns

    @property
    def line(self):
        return self.phases.line().plain

    def play(self, num_turns=1, updates=2):
        """Play whole turns; of the last one, so many updates."""
        for turn in range(num_turns):
            self.clock.turns += 1
            self.clock.env_steps, self.clock.frames = 4 * self.clock.turns, 8 * self.clock.turns
            num_updates = 0 if self.is_filling else 2
            batch = ReplayBatch((), [1.0] * num_updates, self.clock.env_steps)
            hooks = self.trainer, self.module
            self.progress.on_train_batch_start(*hooks, batch, 0)
            for _ in range(num_updates if turn < num_turns - 1 else min(updates, num_updates)):
                self.progress.on_before_backward(*hooks, None)
                self.now += self.seconds_per_turn / 2
                self.module.updates += 1
            if not num_updates:
                self.now += 0.01
            if turn < num_turns - 1 or updates == 2:
                self.progress.on_train_batch_end(*hooks, None, batch, 0)

    def evaluate(self, seconds):
        self.progress.on_validation_start(self.trainer, self.module)
        assert self.line == "evaluating on 10 games  0:00"
        self.now += seconds
        self.clock.evaluated_turns = self.clock.turns
        self.progress.on_validation_end(self.trainer, self.module)


def test_filling_is_told_from_learning_and_its_rate_predicts_nothing(monkeypatch):
    run = Run(monkeypatch)
    run.play(50)
    assert run.line.startswith("filling the replay  50%  200 of 400 env steps")
    assert "left" not in run.line
    run.play(50)
    assert run.line.startswith("learning  10%  800 of 8,000 frames")
    assert "left" not in run.line  # nothing is known yet
    run.play(20)
    assert run.line == "learning  12%  about 15 min left  960 of 8,000 frames  8 frames/s  42 updates"


def test_without_replay_nothing_is_filled(monkeypatch):
    monkeypatch.setattr(Run, "has_replay", False, raising=False)
    run = Run(monkeypatch)
    run.play(50)
    assert run.line.startswith("playing before learning starts  50%")


def test_the_time_left_follows_the_recent_rate_and_counts_evaluations(monkeypatch):
    run = Run(monkeypatch, fill_turns=0)
    run.play(400)
    run.seconds_per_turn = 0.1
    run.play(400)
    run.evaluate(300)
    assert "about 5 min left" in run.line  # 200 turns, and one more evaluation
    run.play(100)
    assert "about 5 min left" in run.line
    assert "80 frames/s" in run.line


def test_the_time_left_is_no_longer_than_the_run_may_take(monkeypatch):
    run = Run(monkeypatch, fill_turns=0)
    run.progress.total_minutes, run.progress.metrics.wall_time_s = 10, 9 * 60
    run.play(100)
    assert "about 60 s left" in run.line


def test_a_slow_turn_is_measured_by_its_updates(monkeypatch):
    run = Run(monkeypatch, seconds_per_turn=200.0, fill_turns=1)
    run.play()
    run.play(2, updates=1)
    assert "about 2.3 days left" in run.line


@pytest.mark.parametrize(("seconds_per_turn", "is_long"), [(200.0, True), (40.0, False)])
def test_a_run_of_days_says_so_once_it_is_measured(monkeypatch, seconds_per_turn, is_long):
    run = Run(monkeypatch, seconds_per_turn=seconds_per_turn, fill_turns=1)
    run.play(40)
    notes = [line for line in run.lines if "takes about" in line]
    assert len(notes) == is_long
    assert all("2.3 days" in note and "total_frames" in note for note in notes)


def test_a_row_is_shown_once_and_alone(monkeypatch):
    run = Run(monkeypatch)
    run.metrics.row = ROW
    run.play(2)
    run.metrics.row = EVALUATION
    run.evaluate(1)
    run.metrics.row = {"train/loss": 1.0}
    run.play(2)
    assert [line.split(")  ")[1] for line in run.lines] == [
        describe(ROW),
        describe(EVALUATION),
        "loss 1.0000",
    ]


def test_a_turn_that_only_ends_an_epoch_is_no_learning(monkeypatch):
    run = Run(monkeypatch)
    run.progress.on_train_batch_start(run.trainer, run.module, EmptyTurn(0), 0)
    assert run.line.startswith("filling")


def test_every_phase_ends_with_the_training_and_with_an_error(monkeypatch):
    for hook, arguments in (("on_train_end", ()), ("on_exception", (RuntimeError(),))):
        run = Run(monkeypatch)
        run.progress.on_validation_start(run.trainer, run.module)
        getattr(run.progress, hook)(run.trainer, run.module, *arguments)
        assert run.line == ""
