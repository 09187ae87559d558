"""How far a run is: a line for each row of metrics, and on a terminal one that lives below them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from triptych.callbacks.metrics import Metrics
from triptych.callbacks.pace import Pace, duration
from triptych.callbacks.phases import Phases
from triptych.types import ReplayBatch, Rollout

SHOWN = {
    "train/frames_per_second": "{:,.0f} frames/s",
    "collect/return_mean": "return {:.1f}",
    "train/epsilon": "ε {:.2f}",
    "train/loss": "loss {:.4f}",
    "eval/return_mean": "eval {:.1f}",
    "eval/return_mean_without_search": "without search {:.1f}",
    "eval/human_normalized_score": "human-normalised {:.2f}",
}
SAMPLE_S = 0.5  # between two looks at how far the run is
MEASURED_S = 30.0  # of learning, after which a long run is told
LONG_S = 24 * 3600.0


def describe(row: dict[str, float]) -> str:
    """Put the numbers that matter most into one line."""
    return "  ".join(form.format(row[name]) for name, form in SHOWN.items() if name in row)


class Progress(pl.Callback):
    """Shows each new row of metrics, and says in which phase a run is and how much of it is left.

    Args:
        metrics: whose rows are shown.
        phases: which show what is being done.
        write_line: where lines go.
        is_shown: show anything at all.
        total_minutes: after which the run ends at the latest.
    """

    def __init__(
        self,
        metrics: Metrics,
        phases: Phases | None = None,
        write_line: Callable[[str], None] = print,
        is_shown: bool = True,
        total_minutes: float | None = None,
    ) -> None:
        self.metrics, self.write_line, self.is_shown = metrics, write_line, is_shown
        self.total_minutes = total_minutes
        self.phases = phases or Phases(write_line, is_shown)
        self.pace = Pace()
        self._row: dict[str, float] = {}
        self._is_learning = self._has_warned = False
        self._evaluation_s: float | None = None  # of the latest evaluation
        self._num_updates = self._updates_before = 0  # of the turn at hand, and of all before it
        self._sampled_at = -math.inf

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._row = self.metrics.row
        data = trainer.datamodule
        if data.is_filling:
            what = "filling the replay" if getattr(data, "has_replay", True) else "playing before learning starts"
            self.phases.begin(what, lambda: self._filling(data))
        else:
            self._begin_learning(trainer, module)

    def _begin_learning(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._is_learning, self._learned_s, self._learning_since = True, 0.0, time.monotonic()
        self.pace.restart()
        self.phases.begin("learning", lambda: self._learning(trainer, module))

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        self._num_updates = _updates_in(batch)
        self._updates_before = _updates_of(module)
        if self._num_updates and not self._is_learning:
            self.phases.end()
            self._begin_learning(trainer, module)

    def on_before_backward(self, trainer: pl.Trainer, module: pl.LightningModule, loss: Any) -> None:
        if _updates_of(module) > self._updates_before:  # the first of all compiles what it needs
            self._sample(trainer, module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._num_updates = 0
        self._sample(trainer, module)
        self._write_new_row(trainer)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._evaluated_at = time.monotonic()
            self.phases.begin(f"evaluating on {trainer.datamodule.plan.episodes} games")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self.phases.end()
            self._evaluation_s = time.monotonic() - self._evaluated_at
            self.pace.pause(self._evaluation_s)
            if self._is_learning:
                self._learning_since += self._evaluation_s
            self._write_new_row(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.phases.end_all()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.phases.end_all()

    def _write_new_row(self, trainer: pl.Trainer) -> None:
        row = self.metrics.row
        if not self.is_shown or row is self._row:
            return
        self.phases.has_spoken()
        self._row, clock = row, trainer.datamodule.clock
        self.write_line(f"{clock.frames:>12,} frames ({clock.frames / clock.total_frames:4.0%})  {describe(row)}")

    def _sample(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        now = time.monotonic()
        if now < self._sampled_at + SAMPLE_S:
            return
        self._sampled_at = now
        self.pace.add(now, self._reached(trainer, module))
        seconds = self._seconds_left(trainer, module)
        is_measured = self._is_learning and now - self._learning_since >= MEASURED_S
        if self._has_warned or seconds is None or not is_measured:
            return
        self._has_warned = True
        if seconds > LONG_S and self.is_shown:
            self.write_line(
                f"{'note':>9}  at this rate ({self.pace.frames_per_second:,.3g} frames/s) the run takes about "
                f"{duration(seconds)}; a smaller total_frames ends it sooner; after Ctrl-C the same command goes on."
            )

    def _reached(self, trainer: pl.Trainer, module: pl.LightningModule) -> float:
        """Return the frames that are played and learned from; of a turn, the share of its updates that are done."""
        clock = trainer.datamodule.clock
        owed = self._num_updates - (_updates_of(module) - self._updates_before) if self._num_updates else 0
        frames_per_turn = clock.total_frames / clock.total_turns
        return clock.frames - frames_per_turn * owed / max(clock.turn.updates, 1)

    def _seconds_left(self, trainer: pl.Trainer, module: pl.LightningModule) -> float | None:
        """Estimate the rest of the run from its recent rate; ``None`` before that can be known."""
        clock, rate = trainer.datamodule.clock, self.pace.frames_per_second
        if rate is None or not self._is_learning:
            return None
        num_evaluations = math.ceil((clock.total_turns - clock.evaluated_turns) / clock.turns_per_epoch)
        playing_s = (clock.total_frames - self._reached(trainer, module)) / rate
        seconds = playing_s + num_evaluations * (self._evaluation_s or 0.0)
        if self.total_minutes is None:
            return seconds
        return min(seconds, max(60 * self.total_minutes - self.metrics.wall_time_s, 0.0))

    def _filling(self, data: Any) -> str:
        clock, wanted = data.clock, data.learning_begins_env_steps
        parts = [f"{min(clock.env_steps / wanted, 1):.0%}", f"{clock.env_steps:,} of {wanted:,} env steps"]
        return "  ".join([*parts, *self._rate()])

    def _learning(self, trainer: pl.Trainer, module: pl.LightningModule) -> str:
        clock, seconds = trainer.datamodule.clock, self._seconds_left(trainer, module)
        parts = [
            f"{clock.frames / clock.total_frames:.0%}",
            *([f"about {duration(seconds)} left"] if seconds is not None else []),
            f"{clock.frames:,} of {clock.total_frames:,} frames",
            *self._rate(),
            f"{_updates_of(module):,} updates",
        ]
        return "  ".join(parts)

    def _rate(self) -> list[str]:
        rate = self.pace.frames_per_second
        return [] if rate is None else [f"{rate:,.0f} frames/s" if rate >= 10 else f"{rate:.2g} frames/s"]


def _updates_in(batch: Any) -> int:
    if isinstance(batch, ReplayBatch):
        return len(batch.weight)
    return len(batch.rows) if isinstance(batch, Rollout) else 0


def _updates_of(module: Any) -> int:
    return module.updates
