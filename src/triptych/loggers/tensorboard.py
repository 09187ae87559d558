"""TensorBoard, whose curves go on where a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger

from triptych.types.bounds import Count, Positive


class FramesTensorBoardLogger(TensorBoardLogger):
    """Lightning's `TensorBoardLogger`, which hides what was played after the checkpoint of a run that goes on.

    Args:
        save_dir: of the run.
        name, version: of the folders below it in which event files lie; empty for none.
        default_hp_metric: write -1 beside the hyperparameters, as Lightning does by default.
        prefix: of each curve's name.
        sub_dir: of the folder of the version.
        max_queue: events that wait before they are written.
        flush_secs: after which what waits is written.
        filename_suffix: of the event files.
    """

    def __init__(
        self,
        save_dir: str | Path,
        *,
        name: str,
        version: Any,  # a text may be empty here, and is not checked
        default_hp_metric: bool,
        prefix: Any = "",
        sub_dir: str | None = None,
        max_queue: Count = 10,
        flush_secs: Positive = 120,
        filename_suffix: Any = "",
    ) -> None:
        super().__init__(
            save_dir, name, version, False, default_hp_metric, prefix, sub_dir,
            max_queue=max_queue, flush_secs=flush_secs, filename_suffix=filename_suffix,
        )  # fmt: skip

    def go_on_from(self, frames: int) -> None:
        """Hide the events from this frame on: they are played anew."""
        if self._experiment is not None:  # opened already, and the mark stands at the beginning of an event file
            self._experiment.close()
            self._experiment = None
        self._kwargs["purge_step"] = frames
