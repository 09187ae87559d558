"""What each of several processes keeps for itself, in the one checkpoint of their run."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from triptych import ranks


class Shares(pl.Callback):
    """Saves the chances, games and clocks of every process beside the weights, which they have in common.

    The first process finds its own where a run of one process has them.
    """

    def on_save_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["shares"] = ranks.gather(
            {"module": module.get_extra_state(), "data": trainer.datamodule.state_dict()}
        )

    def on_load_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        share = checkpoint["shares"][ranks.rank()]
        module.set_extra_state(share["module"])
        trainer.datamodule.load_state_dict(share["data"])
