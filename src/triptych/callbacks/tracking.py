"""Experiment trackers: wandb that never stops a run, TensorBoard."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger


def make_tensorboard_logger(run_dir: str | Path, **_: Any) -> Logger:
    """Write event files under ``tensorboard`` in the run's folder."""
    return TensorBoardLogger(save_dir=str(run_dir), name="tensorboard", version="")
