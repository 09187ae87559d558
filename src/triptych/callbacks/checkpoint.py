"""Checkpoints: the last, the one before it, and the best, each written whole or not at all."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from triptych.callbacks.interrupt import RunInterrupted


class RunCheckpoint(pl.Callback):
    """Keeps ``last.ckpt``, ``previous.ckpt`` and ``best.ckpt``, on the clock of frames.

    Lightning's own `ModelCheckpoint` counts optimizer steps and ties ``last`` to the monitored value; it can be
    used beside this one.

    Args:
        directory: ``checkpoints`` in the run's folder.
        period_frames: between two last checkpoints.
        monitor: the metric by which ``best.ckpt`` is chosen; higher is better, the later of equals wins.

    Attributes:
        after_save: called when ``last.ckpt`` is whole.
    """

    def __init__(self, directory: str | Path, period_frames: int, monitor: str = "eval/return_mean") -> None:
        self.directory, self.period_frames, self.monitor = Path(directory), period_frames, monitor
        self.best_value, self.best_frames = -math.inf, 0
        self._env_steps_of: dict[str, int] = {}  # of the replay that last and previous need
        self.after_save: Callable[[], None] = lambda: None
        self._next_frames = 0

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_value": self.best_value,
            "best_frames": self.best_frames,
            "env_steps_of": dict(self._env_steps_of),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_value, self.best_frames = state_dict["best_value"], state_dict.get("best_frames", 0)
        self._env_steps_of = dict(state_dict["env_steps_of"])

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._next_frames = trainer.datamodule.frames + self.period_frames
        self.best_value, self.best_frames = self._champion(trainer.datamodule.frames)

    def _champion(self, frames: int) -> tuple[float, int]:
        """Return value and frame of ``best.ckpt``; drop one from after ``frames``, a future that is played anew."""
        path = self.directory / "best.ckpt"
        try:
            state = torch.load(path, weights_only=True, mmap=True)["callbacks"][self.state_key]
            value, found_at = state["best_value"], state.get("best_frames", 0)
        except Exception:  # absent, cut short or foreign: the next evaluation writes another
            return -math.inf, 0
        if found_at > frames:
            path.unlink()
            return -math.inf, 0
        return value, found_at

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.datamodule.frames >= self._next_frames:
            self.save_last(trainer)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics[self.monitor])
        if value >= self.best_value:
            self.best_value, self.best_frames = value, trainer.datamodule.frames
            self._write(trainer, "best.ckpt")

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.save_last(trainer)

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        # After an error the state may be broken: the last good checkpoint stays.
        if isinstance(exception, RunInterrupted) and trainer.state.fn == "fit":
            self.save_last(trainer)

    def save_last(self, trainer: pl.Trainer) -> None:
        """Save the data, then the checkpoint that refers to it, then drop what nothing refers to."""
        data = trainer.datamodule
        self._next_frames = data.frames + self.period_frames
        last, previous = self.directory / "last.ckpt", self.directory / "previous.ckpt"
        if self._env_steps_of.get("last") == data.env_steps and last.exists():
            self._write(trainer, "last.ckpt")  # only what the evaluation added has changed
            self.after_save()
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        data.save_data()
        if "last" in self._env_steps_of:
            self._env_steps_of["previous"] = self._env_steps_of["last"]
        self._env_steps_of["last"] = data.env_steps
        if last.exists():  # a copy: there is a last checkpoint at every moment
            shutil.copyfile(last, self.directory / "previous.tmp")
            os.replace(self.directory / "previous.tmp", previous)
        self._write(trainer, "last.ckpt")
        data.prune_data(set(self._env_steps_of.values()))
        self.after_save()

    def _write(self, trainer: pl.Trainer, name: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f"{name}.tmp"
        try:
            trainer.save_checkpoint(temporary)
            os.replace(temporary, self.directory / name)
        finally:
            temporary.unlink(missing_ok=True)
