"""Evaluations, told to whoever started a run."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl

from triptych.types import RunInterrupted


class Evaluations(pl.Callback):
    """Tells of each evaluation during a run, and ends the run where the answer is to end it.

    Args:
        tell: takes the frames and the mean return; returns whether the run is to end, which it then does as after
            Ctrl-C, with everything saved.
        monitor: the metric that is told.

    Attributes:
        has_ended_it: whether the run ended because the answer was to end it.
    """

    def __init__(self, tell: Callable[[int, float], bool], monitor: str = "eval/return_mean") -> None:
        self.tell, self.monitor = tell, monitor
        self.has_ended_it = False

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            return
        is_to_end = self.tell(trainer.datamodule.clock.frames, float(value))
        if is_to_end and not trainer.should_stop:  # what has come to its end gets its final evaluation
            self.has_ended_it = True
            raise RunInterrupted
