"""When which checkpoint is written, on a trainer that only says where it is."""

from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.front_door import summary, train
from triptych.algos.ppo import PPO
from triptych.callbacks.checkpoint import RunCheckpoint
from triptych.types import RunInterrupted


class Keeps(pl.Callback):
    """Has a state that is plain at first."""

    def __init__(self):
        self.best = None

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.datamodule.clock.frames > 1000:
            self.best = np.mean([1.0, 2.0])

    def state_dict(self):
        return {"best": self.best}


class KeepsInTheAlgorithm(PPO):
    def on_save_checkpoint(self, checkpoint):
        super().on_save_checkpoint(checkpoint)
        checkpoint["mine"] = lambda: 3


class KeepsInItsExtraState(PPO):
    def get_extra_state(self):
        return super().get_extra_state() | {"mine": np.random.default_rng(1)}


@pytest.mark.parametrize(
    ("argument", "holder", "frames"),
    [
        ("+callbacks.extra.mine._target_=tests.callbacks.test_checkpoint.Keeps", "callbacks: Keeps.state_dict", 1000),
        (
            "algo.module=tests.callbacks.test_checkpoint.KeepsInTheAlgorithm",
            "algo: KeepsInTheAlgorithm.on_save_checkpoint, mine",
            0,
        ),
        (
            "algo.module=tests.callbacks.test_checkpoint.KeepsInItsExtraState",
            "algo: KeepsInItsExtraState.get_extra_state",
            0,
        ),
    ],
)
def test_a_state_that_could_not_be_read_again_is_told_by_who_holds_it(argument, holder, frames, tmp_path):
    """What was saved before stays."""
    settings = ["logger=csv", "env=catch", "algo=ppo", "total_frames=3000", "checkpoint.period_frames=500"]
    result = train(*settings, "eval.period_frames=9000", "callbacks.video=false", argument, f"run_dir={tmp_path}")
    assert result.returncode == 2
    assert f"Failed: {holder} holds what no checkpoint can" in result.stdout
    assert summary(tmp_path)["status"] == "failed"
    found = tmp_path / "checkpoints" / "last.ckpt"
    assert found.exists() == (frames > 0)
    assert not found.exists() or torch.load(found, weights_only=True)


class FakeTrainer:
    def __init__(self):
        self.frames, self.vector_steps, self.saved_data, self.pruned = 0, 0, [], []
        self.state = SimpleNamespace(fn="fit")
        self.sanity_checking = False
        self.callback_metrics = {}
        self.datamodule = self.clock = self
        self.checkpoint, self.weights = None, None

    @property
    def env_steps(self):
        return self.frames

    def save_data(self):
        self.saved_data.append(self.frames)

    def prune_data(self, env_steps):
        self.pruned.append(env_steps)

    def save_checkpoint(self, path):
        callbacks = {self.checkpoint.state_key: self.checkpoint.state_dict()}
        torch.save({"frames": self.frames, "callbacks": callbacks, "weights": self.weights}, path)


@pytest.fixture
def trainer(tmp_path):
    trainer = FakeTrainer()
    trainer.checkpoint = RunCheckpoint(tmp_path, period_frames=100)
    trainer.checkpoint.on_train_start(trainer, None)
    return trainer


def play_to(trainer, frames):
    trainer.frames = frames
    trainer.checkpoint.on_train_batch_end(trainer, None, None, None, 0)


def evaluate(trainer, value):
    trainer.callback_metrics["eval/return_mean"] = torch.tensor(float(value))
    trainer.checkpoint.on_validation_end(trainer, None)


def frames_in(trainer, name):
    return torch.load(trainer.checkpoint.directory / name, weights_only=True)["frames"]


def test_last_and_previous_follow_the_clock_of_frames(trainer):
    for frames in range(10, 360, 10):
        play_to(trainer, frames)
    assert trainer.saved_data == [100, 200, 300]
    assert (frames_in(trainer, "last.ckpt"), frames_in(trainer, "previous.ckpt")) == (300, 200)
    assert trainer.pruned[-1] == {200, 300}
    assert {path.name for path in trainer.checkpoint.directory.iterdir()} == {"last.ckpt", "previous.ckpt"}


def test_best_is_the_later_of_equals_and_does_not_wait_for_last(trainer):
    for frames, value in ((10, 1.0), (20, 3.0), (30, 3.0), (40, 2.0)):
        trainer.frames = frames
        evaluate(trainer, value)
    assert frames_in(trainer, "best.ckpt") == 30
    assert not (trainer.checkpoint.directory / "last.ckpt").exists()


def test_a_continued_run_asks_the_file_which_is_the_best(trainer):
    trainer.frames = 20
    evaluate(trainer, 5.0)
    again = RunCheckpoint(trainer.checkpoint.directory, period_frames=100)  # from a checkpoint that does not know it
    trainer.checkpoint = again
    again.on_train_start(trainer, None)
    trainer.frames = 30
    evaluate(trainer, 4.0)
    assert frames_in(trainer, "best.ckpt") == 20
    (again.directory / "best.ckpt").write_bytes(b"cut short")
    again.on_train_start(trainer, None)
    evaluate(trainer, 4.0)
    assert frames_in(trainer, "best.ckpt") == 30


@pytest.mark.parametrize("frames", [0, 19])
def test_a_best_checkpoint_from_a_future_that_is_played_anew_is_dropped(trainer, frames):
    trainer.frames = 20
    evaluate(trainer, 5.0)
    again = RunCheckpoint(trainer.checkpoint.directory, period_frames=100)
    again.load_state_dict(trainer.checkpoint.state_dict())
    trainer.checkpoint, trainer.frames = again, frames
    again.on_train_start(trainer, None)
    assert not (again.directory / "best.ckpt").exists()
    trainer.frames = 20
    evaluate(trainer, 4.0)
    assert frames_in(trainer, "best.ckpt") == 20


def bests(trainer):
    return {path.name: frames_in(trainer, path.name) for path in trainer.checkpoint.directory.glob("best*.ckpt")}


def go_on_from(trainer, name):
    """Continue as after a kill: from what this checkpoint knows."""
    state = torch.load(trainer.checkpoint.directory / name, weights_only=True)
    again = RunCheckpoint(trainer.checkpoint.directory, period_frames=100)
    again.load_state_dict(state["callbacks"][again.state_key])
    trainer.checkpoint, trainer.frames = again, state["frames"]
    again.on_train_start(trainer, None)


def play(trainer, values):
    for frames, value in values.items():
        play_to(trainer, frames)
        evaluate(trainer, value)


@pytest.mark.parametrize(
    ("values", "start", "best"),
    [
        ({60: 1.0, 100: 0.0, 150: 2.0}, "last.ckpt", 60),
        ({60: 1.0, 100: 0.0, 150: 2.0, 160: 3.0}, "last.ckpt", 60),
        ({60: 1.0, 100: 2.0, 150: 0.0}, "last.ckpt", 100),
        ({60: 1.0, 100: 0.0, 150: 2.0, 200: 0.0, 210: 0.0}, "last.ckpt", 150),
        ({60: 1.0, 100: 0.0, 150: 2.0, 200: 0.0, 210: 0.0}, "previous.ckpt", 60),
        ({60: 1.0, 100: 0.0, 150: 2.0, 200: 0.0, 210: 3.0}, "last.ckpt", 150),
        ({60: 1.0, 100: 0.0, 150: 2.0, 200: 0.0, 210: 3.0}, "previous.ckpt", 60),
        ({60: 1.0, 100: 0.0, 150: 2.0, 200: 3.0, 210: 4.0}, "last.ckpt", 200),
        ({60: 3.0, 100: 0.0, 150: 2.0, 200: 1.0}, "previous.ckpt", 60),
        ({100: 0.0, 150: 2.0, 200: 0.0, 300: 0.0, 310: 5.0, 320: 6.0}, "previous.ckpt", 150),
    ],
)
def test_going_on_returns_to_the_best_of_that_time(trainer, values, start, best):
    play(trainer, values)
    go_on_from(trainer, start)
    assert bests(trainer)["best.ckpt"] == best
    assert trainer.checkpoint.best_value == values[best]
    evaluate(trainer, values[best] - 0.5)
    assert bests(trainer)["best.ckpt"] == best


def test_an_earlier_best_takes_the_place_of_one_that_cannot_be_read(trainer):
    play(trainer, {60: 5.0, 100: 0.0, 150: 6.0})
    (trainer.checkpoint.directory / "best.ckpt").write_bytes(b"cut short")
    go_on_from(trainer, "last.ckpt")
    evaluate(trainer, 4.0)
    assert bests(trainer) == {"best.ckpt": 60}


def test_a_best_checkpoint_of_a_gpu_is_read_without_one(trainer, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "_package_registry", [*torch.serialization._package_registry])
        torch.serialization.register_package(0, lambda _: "cuda:0", lambda *_: None)  # tags what is saved
        trainer.weights = torch.zeros(3)
        play(trainer, {60: 5.0, 100: 0.0})
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load(trainer.checkpoint.directory / "best.ckpt", weights_only=True)
    trainer.checkpoint.on_train_start(trainer, None)
    assert trainer.checkpoint.best_value == 5.0


def test_earlier_bests_go_when_no_start_would_return_to_them(trainer):
    play(trainer, {60: 1.0, 100: 0.0, 150: 2.0})
    assert bests(trainer) == {"best.ckpt": 150, "best-60.ckpt": 60}
    play(trainer, {200: 0.0, 250: 3.0, 260: 4.0})
    assert bests(trainer) == {"best.ckpt": 260, "best-60.ckpt": 60, "best-150.ckpt": 150}
    play(trainer, {300: 0.0})
    assert bests(trainer) == {"best.ckpt": 260, "best-150.ckpt": 150}
    play(trainer, {400: 0.0})
    assert bests(trainer) == {"best.ckpt": 260}


def kept(trainer):
    return {path.stem: frames_in(trainer, path.name) for path in trainer.checkpoint.directory.glob("kept-*.ckpt")}


def test_kept_checkpoints_have_their_own_frames_for_a_name_and_go_with_their_future(trainer):
    trainer.checkpoint.keep_period_frames = 250
    play(trainer, dict.fromkeys(range(100, 701, 100), 0.0))
    assert kept(trainer) == {"kept-100": 100, "kept-300": 300, "kept-500": 500}
    trainer.frames = 450
    trainer.checkpoint.on_train_start(trainer, None)
    assert kept(trainer) == {"kept-100": 100, "kept-300": 300}


def test_a_best_without_its_clock_is_kept(trainer):
    trainer.frames = 20
    evaluate(trainer, 5.0)
    path = trainer.checkpoint.directory / "best.ckpt"
    saved = torch.load(path, weights_only=True)
    del saved["callbacks"][trainer.checkpoint.state_key]["best_env_steps"]
    torch.save(saved, path)
    trainer.checkpoint.on_train_start(trainer, None)
    trainer.frames = 30
    evaluate(trainer, 4.0)
    assert frames_in(trainer, "best.ckpt") == 20


def test_an_evaluation_outside_training_changes_nothing(trainer):
    trainer.state.fn = "validate"
    evaluate(trainer, 9.0)
    assert not (trainer.checkpoint.directory / "best.ckpt").exists()


def test_an_interruption_saves_and_an_error_does_not(trainer):
    play_to(trainer, 100)
    trainer.frames = 150
    trainer.checkpoint.on_exception(trainer, None, ValueError("the state may be broken"))
    assert frames_in(trainer, "last.ckpt") == 100
    trainer.checkpoint.on_exception(trainer, None, RunInterrupted())
    assert (frames_in(trainer, "last.ckpt"), frames_in(trainer, "previous.ckpt")) == (150, 100)


def test_the_end_after_an_evaluation_saves_no_data_twice(trainer):
    calls = []
    trainer.checkpoint.after_save = lambda: calls.append(trainer.frames)
    play_to(trainer, 100)
    trainer.checkpoint.on_train_end(trainer, None)
    assert trainer.saved_data == [100]
    assert calls == [100, 100]
    assert not (trainer.checkpoint.directory / "previous.ckpt").exists()
