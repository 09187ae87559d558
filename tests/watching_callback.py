"""A callback of a user's own: it logs through Lightning in both ways, and may break the run like a kill."""

from __future__ import annotations

import pytorch_lightning as pl


class Watching(pl.Callback):
    """Logs the frames that it sees at every turn, and at the end of every epoch."""

    def __init__(self, fail_at_frames: int | None = None) -> None:
        self.fail_at_frames = fail_at_frames

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        frames = trainer.datamodule.clock.frames
        module.log("mine/turn", float(frames), on_step=True, on_epoch=False)
        if self.fail_at_frames is not None and frames >= self.fail_at_frames:
            raise RuntimeError("as if it were killed")

    def on_validation_epoch_end(self, trainer, module):
        self.log("mine/evaluation", float(trainer.datamodule.clock.frames))
