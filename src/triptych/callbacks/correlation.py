"""How much alike the observations are that an update learns from."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from triptych.types import EmptyTurn
from triptych.types.bounds import Count, Fraction


def mean_correlation(observation: Tensor, mean: Tensor) -> Tensor:
    """Return the mean cosine between each two of ``[B, D]`` observations, the mean of all observations taken off.

    It is near 0 where they were drawn from all over the play, and near 1 where they follow each other in one game.
    """
    direction = torch.nn.functional.normalize(observation - mean, dim=-1)
    num_rows = len(direction)
    return (direction.sum(dim=0).square().sum() - direction.square().sum()) / (num_rows * (num_rows - 1))


class MinibatchCorrelation(pl.Callback):
    """Files ``train/minibatch_correlation`` of replay's minibatches, the argument for replay in Mnih et al. 2015.

    Args:
        period_turns: between two measurements, each of the first minibatch of a turn.
        decay: per measurement, of the average observation that is taken off.
    """

    def __init__(self, period_turns: Count = 50, decay: Fraction = 0.99) -> None:
        self.period_turns, self.decay = period_turns, decay
        self._mean: Tensor | None = None
        self._turns = 0

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if isinstance(batch, EmptyTurn) or not hasattr(batch, "sample") or not len(batch.weight):
            return
        self._turns += 1
        if self._turns % self.period_turns:
            return
        observation = batch.sample.observation[0].flatten(1).float()
        if len(observation) < 2:  # there is nothing to compare
            return
        latest = observation.mean(dim=0)
        self._mean = latest if self._mean is None else torch.lerp(latest, self._mean.to(latest.device), self.decay)
        pl_module.record(minibatch_correlation=mean_correlation(observation, self._mean))

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self._mean, "turns": self._turns}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._mean, self._turns = state_dict["mean"], state_dict["turns"]
