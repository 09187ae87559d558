"""Averages of a network's weights over updates."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from triptych.types.bounds import Decay


class WeightAverage(nn.Module):
    """A copy of a network whose weights are exponential averages over updates (Polyak & Juditsky 1992).

    What is no weight, such as the statistics of a normalisation, is that of the latest turn.

    The networks of two updates next to each other may play very differently, though they are worth the same on
    average; their average plays steadily, and as well as the best of them.

    Args:
        network: which is followed.
        decay: per update; 0 keeps the weights of the latest turn.
    """

    def __init__(self, network: nn.Module, decay: Decay) -> None:
        super().__init__()
        self.network, self.decay = copy.deepcopy(network).requires_grad_(False), decay
        self.updates = 0  # counted in so far

    def forward(self, *inputs: Any) -> Any:
        return self.network(*inputs)

    @torch.no_grad()
    def follow(self, network: nn.Module, updates: int) -> None:
        """Count the weights of a network in that has made ``updates`` of them by now; once a turn is enough."""
        count = updates - self.updates
        if count:
            averages: list[torch.Tensor] = list(self.network.parameters())
            latest: list[torch.Tensor] = list(network.parameters())
            torch._foreach_lerp_(averages, latest, 1.0 - self.decay**count)
            torch.autograd.graph.increment_version(averages)  # on CUDA it does not raise them itself
            for own, newest in zip(self.network.buffers(), network.buffers(), strict=True):
                own.copy_(newest)
            self.updates = updates

    def get_extra_state(self) -> dict[str, int]:
        return {"updates": self.updates}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.updates = state["updates"]
