"""When a run is over."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl


class Finish(pl.Callback):
    """Stops when the frames are used up, or when the game is solved.

    Args:
        solved_return: mean evaluation return that counts as solved; ``None`` plays to the last frame.
        monitor: the metric compared with it.
    """

    def __init__(self, solved_return: float | None, monitor: str = "eval/return_mean") -> None:
        self.solved_return, self.monitor = solved_return, monitor
        self.is_solved = False

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get(self.monitor)
        if self.solved_return is not None and value is not None:
            self.is_solved = float(value) >= self.solved_return
        trainer.should_stop = self.is_solved or trainer.datamodule.is_finished

    def state_dict(self) -> dict[str, Any]:
        return {"is_solved": self.is_solved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.is_solved = state_dict["is_solved"]
