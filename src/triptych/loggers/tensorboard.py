"""TensorBoard, whose curves go on where a run goes on."""

from __future__ import annotations

from pytorch_lightning.loggers import TensorBoardLogger


class FramesTensorBoardLogger(TensorBoardLogger):
    """Lightning's `TensorBoardLogger`, which hides what was played after the checkpoint of a run that goes on."""

    def go_on_from(self, frames: int) -> None:
        """Hide the events from this frame on: they are played anew."""
        if self._experiment is not None:  # opened already, and the mark stands at the beginning of an event file
            self._experiment.close()
            self._experiment = None
        self._kwargs["purge_step"] = frames
