"""How fast a fit runs once it is warm."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl


class Stopwatch(pl.Callback):
    """Times stretches of a fit in whole turns and stops the fit after the last of them.

    Args:
        start_env_steps: before which nothing is timed.
        env_steps: of one stretch, at least.
        num_stretches: to be timed.
        after_stretch: called after each; its time counts for none.

    Attributes:
        env_steps_per_second: of each stretch so far.
    """

    def __init__(
        self,
        start_env_steps: int,
        env_steps: int,
        num_stretches: int = 1,
        after_stretch: Callable[[], None] | None = None,
    ) -> None:
        self.start_env_steps, self.env_steps = start_env_steps, env_steps
        self.num_stretches, self.after_stretch = num_stretches, after_stretch
        self.env_steps_per_second: list[float] = []
        self._first: tuple[int, float] | None = None  # env steps and time where the stretch began

    @property
    def is_over(self) -> bool:
        return len(self.env_steps_per_second) >= self.num_stretches

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        clock: Any = trainer.datamodule.clock  # type: ignore[attr-defined]
        env_steps, now = clock.env_steps, time.perf_counter()
        if self.is_over or env_steps < self.start_env_steps:
            return
        if self._first is None:
            self._first = env_steps, now
        elif env_steps - self._first[0] >= self.env_steps:
            self.env_steps_per_second.append((env_steps - self._first[0]) / (now - self._first[1]))
            if self.after_stretch is not None:
                self.after_stretch()
            self._first = clock.env_steps, time.perf_counter()
            trainer.should_stop = trainer.should_stop or self.is_over

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.is_over
