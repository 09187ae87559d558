"""How far a run is: a live bar on a terminal, one line per log interval elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
from rich.console import RenderableType
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from triptych.callbacks.metrics import Metrics

SHOWN = {
    "train/frames_per_second": "{:,.0f} frames/s",
    "collect/return_mean": "return {:.1f}",
    "train/epsilon": "ε {:.2f}",
    "train/loss": "loss {:.4f}",
    "eval/return_mean": "eval {:.1f}",
    "eval/human_normalized_score": "human-normalised {:.2f}",
}


def describe(row: dict[str, float]) -> str:
    """Put the numbers that matter most into one line."""
    return "  ".join(form.format(row[name]) for name, form in SHOWN.items() if name in row)


class Bar(RichProgress):
    """A bar with the metrics on lines of their own, so that a narrow terminal shows them whole."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} frames"),
            BarColumn(bar_width=None),
            TextColumn("left"),
            TimeRemainingColumn(),
            expand=True,
            **keywords,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            yield Text(task.description)


class Progress(pl.Callback):
    """Shows frames of total, speed, time left and the latest metrics.

    Args:
        metrics: whose latest row is shown.
        write_line: where lines go when there is no terminal.
        is_shown: show anything at all.
    """

    def __init__(self, metrics: Metrics, write_line: Callable[[str], None] = print, is_shown: bool = True) -> None:
        self.metrics, self.write_line, self.is_shown = metrics, write_line, is_shown
        self._bar: RichProgress | None = None
        self._last_row: dict[str, float] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self.is_shown or not sys.stdout.isatty():
            return
        clock, self._bar = trainer.datamodule.clock, Bar()
        self._task = self._bar.add_task("", total=clock.total_frames, completed=clock.frames)
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is not None:
            frames = trainer.datamodule.clock.frames
            self._bar.update(self._task, completed=frames, description=describe(self.metrics.latest))
        self._write_new_row(trainer)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._write_new_row(trainer)

    def _write_new_row(self, trainer: pl.Trainer) -> None:
        row = self.metrics.latest
        if not self.is_shown or self._bar is not None or row == self._last_row or not row:
            return
        self._last_row = dict(row)
        clock = trainer.datamodule.clock
        self.write_line(f"{clock.frames:>12,} frames ({clock.frames / clock.total_frames:4.0%})  {describe(row)}")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self._close()
