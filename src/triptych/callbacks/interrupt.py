"""Ctrl-C and SIGTERM end a run between two turns, with everything saved."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

import pytorch_lightning as pl

SAME_KEY_S = 1.0  # a wrapper such as `timeout` passes on the signal that the terminal sent already


class RunInterrupted(Exception):
    """Someone asked the run to stop."""


class Interrupt(pl.Callback):
    """Turns the first signal into `RunInterrupted` at the next moment when the state is whole.

    While an evaluation plays and after training, that moment is now; within a turn it is the turn's end. A second
    Ctrl-C is the ordinary one.
    """

    def __init__(self) -> None:
        self._is_requested, self._requested_at = False, 0.0
        self._earlier: dict[int, Any] = {}

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        if self._is_requested:  # training ended before its turn did: the final evaluation is not played
            raise RunInterrupted
        if threading.current_thread() is not threading.main_thread():
            return

        def handle(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if self._is_requested:
                if now - self._requested_at > SAME_KEY_S:
                    raise KeyboardInterrupt
                return
            self._is_requested, self._requested_at = True, now
            print("\nStopping after this turn ...", flush=True)
            # In training not while what came of an evaluation is being written.
            if trainer.state.fn != "fit" or getattr(trainer.datamodule, "is_evaluating", False):
                raise RunInterrupted

        for number in (signal.SIGINT, signal.SIGTERM):
            self._earlier[number] = signal.signal(number, handle)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._is_requested:
            raise RunInterrupted

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self._restore()

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier.clear()
