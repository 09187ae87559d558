"""When a run is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from triptych import ranks
from triptych.types import RunInterrupted


class Finish(pl.Callback):
    """Stops when frames or minutes are used up, or the game is solved; another callback may stop a run too.

    One mean over few games is noisy, and the best of many is a lucky one. So an evaluation that reaches the solved
    return is confirmed on games of its own before it counts.

    Args:
        total_frames: the budget; a run that was solved goes on when it is raised.
        solved_return: mean evaluation return that counts as solved; ``None`` plays to the last frame.
        confirm: plays games that no evaluation has seen and returns their mean; ``None`` takes the evaluation's word.
        write_line: where a line about a confirmation goes.
        monitor: the metric compared with it.
        phase: makes the context of what takes long, from a word for it.
        total_minutes: of training and its evaluations, after which a run is evaluated once more and ends; ``None`` does
            not look at the clock.
        minutes_are_of: the setting that limits them, which is then the reason.
        wall_time_s: how many seconds the run has taken, earlier stretches of it included.

    Attributes:
        stop_reason: ``solved``, ``total_frames``, ``total_minutes``, ``max_time``, or ``callback`` where another asked
            for the end.
    """

    def __init__(
        self,
        total_frames: int,
        solved_return: float | None,
        confirm: Callable[[], float] | None = None,
        write_line: Callable[[str], None] = print,
        monitor: str = "eval/return_mean",
        phase: Callable[[str], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
        total_minutes: float | None = None,
        wall_time_s: Callable[[], float] = lambda: 0.0,
        minutes_are_of: str = "total_minutes",
    ) -> None:
        self.total_frames, self.solved_return, self.monitor = total_frames, solved_return, monitor
        self.confirm, self.write_line = confirm, write_line
        self.phase = phase
        self.total_minutes, self.minutes_are_of, self.wall_time_s = total_minutes, minutes_are_of, wall_time_s
        self.is_solved = self.is_late = self.is_called_off = False
        self.stop_reason = "total_frames"

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        clock = trainer.datamodule.clock
        is_evaluated = clock.turns > 0 and clock.evaluated_turns == clock.turns and not clock.vector_steps
        # A continued run that was stopped after it was over.
        is_over = self.is_solved or self.is_called_off or (is_evaluated and self._look_at_the_clock())
        trainer.should_stop = trainer.should_stop or is_over

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        trainer.should_stop = self._look_at_the_clock() or trainer.should_stop  # all processes ask

    def _look_at_the_clock(self) -> bool:
        """Return whether the minutes are used up."""
        if self.total_minutes is not None:
            limit_s = 60 * self.total_minutes
            self.is_late = ranks.from_first(lambda: self.wall_time_s() >= limit_s)
        return self.is_late

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get(self.monitor)
        if self.solved_return is not None and value is not None:
            try:
                self.is_solved = float(value) >= self.solved_return and self._is_confirmed(float(value), module)
            except RunInterrupted:  # a run that goes on plays the evaluation again, and what confirms it
                trainer.datamodule.clock.evaluated_turns = -1
                raise
        # The evaluation may have used up the minutes: another turn would ask for another one.
        is_over = self._look_at_the_clock() or self.is_solved or trainer.datamodule.clock.is_finished
        self.is_called_off = trainer.should_stop and not is_over
        trainer.should_stop = trainer.should_stop or is_over

    def _is_confirmed(self, value: float, module: pl.LightningModule) -> bool:
        if self.confirm is None:
            return True
        module.eval()
        module.on_validation_start()
        with self.phase("confirming on games of its own"):
            mean = self.confirm()
        module.train()
        is_confirmed = mean >= (self.solved_return or 0.0)
        what = "solved" if is_confirmed else "not yet solved"
        self.write_line(f"{what}: {value:.2f} in the evaluation, {mean:.2f} in games of its own")
        return is_confirmed

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # The final evaluation turns the counters back to the best checkpoint's.
        if self.is_solved:
            self.stop_reason = "solved"
        elif trainer.datamodule.clock.is_finished:
            self.stop_reason = "total_frames"
        else:
            self.stop_reason = self.minutes_are_of if self.is_late else "callback"

    def state_dict(self) -> dict[str, Any]:
        return {
            "is_solved": self.is_solved,
            "is_called_off": self.is_called_off,
            "total_frames": self.total_frames,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        is_raised = self.total_frames > state_dict["total_frames"]
        self.is_solved = state_dict["is_solved"] and self.solved_return is not None and not is_raised
        self.is_called_off = state_dict.get("is_called_off", False) and not is_raised
