"""What was at hand when a number stopped being finite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from triptych.files import replacing
from triptych.types import NotFinite


class Inspection(pl.Callback):
    """Saves the offender of a `NotFinite` as ``not_finite.pt``: plain data for ``torch.load(..., weights_only=True)``.

    Args:
        directory: the run's folder.
        write_line: where the line about it goes.
    """

    def __init__(self, directory: str | Path, write_line: Callable[[str], None] = print) -> None:
        self.path, self.write_line = Path(directory) / "not_finite.pt", write_line

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        if not isinstance(exception, NotFinite):
            return
        with replacing(self.path) as temporary:
            torch.save(plain_data(exception.offender), temporary)
        self.write_line(f"What the number was computed from is kept in {self.path}.")


def plain_data(thing: Any) -> Any:
    """Turn named tuples into dicts and arrays into tensors on the CPU, at any depth."""
    if isinstance(thing, torch.Tensor):
        return thing.detach().cpu()
    if isinstance(thing, np.ndarray):
        return torch.from_numpy(thing.copy())
    if hasattr(thing, "_asdict"):
        return plain_data(thing._asdict())
    if isinstance(thing, dict):
        return {name: plain_data(value) for name, value in thing.items()}
    return thing
