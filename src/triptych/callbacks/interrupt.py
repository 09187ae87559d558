"""Ctrl-C, SIGTERM and other signals end a run between two updates or env steps, with everything saved."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from triptych import ranks
from triptych.types import RunInterrupted
from triptych.types.signals import STOPPING

SAME_KEY_S = 1.0  # a wrapper such as `timeout` passes on the signal that the terminal sent already

AT_ONCE = (signal.SIGINT, signal.SIGTERM)  # where they come a second time


class Interrupt(pl.Callback):
    """Turns the first signal within its context into `RunInterrupted` at the next moment when the state is whole.

    While an evaluation plays and outside training, that moment is now; within a turn it comes with the next env step,
    off policy also with the next update, which ends the turn early, and on policy after all updates of the rollout. A
    second Ctrl-C or SIGTERM is the ordinary one; the others may be repeated. What was ignored before, as under
    ``nohup``, stays ignored.

    Where a run has several processes, the first alone gets signals, and all of them end the turn first.

    Attributes:
        is_requested: a signal came.
    """

    def __init__(self) -> None:
        self.is_requested, self._requested_at = False, 0.0
        self._trainer: pl.Trainer | None = None
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if number not in AT_ONCE and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self._earlier[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.is_requested:
            if number in AT_ONCE and now - self._requested_at > SAME_KEY_S:
                raise KeyboardInterrupt
            return
        self.is_requested, self._requested_at = True, now
        trainer = self._trainer
        # Within `fit` a checkpoint is read and what came of an evaluation is written: neither is to be cut off.
        is_training = trainer is None or (trainer.state.fn == "fit" and not trainer.datamodule.evaluator.is_playing)
        print("\nStopping and saving ..." if is_training else "\nStopping ...", flush=True)
        if not is_training:
            raise RunInterrupted
        self._pass_on()

    def _pass_on(self) -> None:
        if self._trainer is not None and ranks.size() == 1:
            module: Any = self._trainer.lightning_module
            self._trainer.datamodule.is_stopping = module.is_stopping = True

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self._trainer = trainer
        if self.is_requested and stage != "fit":  # after the last turn of training
            raise RunInterrupted
        if self.is_requested:
            self._pass_on()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if ranks.size() > 1 and threading.current_thread() is threading.main_thread():
            # Lightning's own handler sends the others a message at a moment when they expect another.
            signal.signal(signal.SIGTERM, self._handle if ranks.rank() == 0 else signal.SIG_IGN)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if ranks.from_first(lambda: self.is_requested):
            raise RunInterrupted
