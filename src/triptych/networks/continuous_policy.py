"""Policies of bounded continuous actions: one action, or a normal distribution before it is squashed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.networks.batch_renormalization import BatchRenormalization
from triptych.networks.torsos import hidden_layers
from triptych.types import EnvSpec

LOG_STD_RANGE = (-20.0, 2.0)  # as in the authors' code of Haarnoja et al. 2018b


class DeterministicPolicy(nn.Module):
    """Hidden layers with rectifiers, and an action from -1 to 1."""

    def __init__(self, spec: EnvSpec, hidden_sizes: Sequence[int]) -> None:
        super().__init__()
        sizes = (spec.observation_size, *hidden_sizes)
        self.hidden = nn.Sequential(*hidden_layers(sizes))
        self.action = nn.Linear(sizes[-1], math.prod(spec.action_shape))

    def forward(self, observation: Float[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
        return self.action(self.hidden(observation.flatten(1))).tanh()


class SquashedGaussianPolicy(nn.Module):
    """Hidden layers with rectifiers, and the mean and log standard deviation of what tanh makes an action of.

    Args:
        spec: of the environments; vectors are seen, actions are continuous.
        hidden_sizes: units of the hidden layers.
        renormalization_warmup_updates: see `ContinuousCritic`.
    """

    def __init__(
        self, spec: EnvSpec, hidden_sizes: Sequence[int], renormalization_warmup_updates: int | None = None
    ) -> None:
        super().__init__()
        sizes = (spec.observation_size, *hidden_sizes)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))
        warmup = renormalization_warmup_updates
        norms = [] if warmup is None else [BatchRenormalization((1, size), warmup) for size in sizes]
        self.norms = nn.ModuleList(norms)
        self.mean_and_log_std = nn.Linear(sizes[-1], 2 * math.prod(spec.action_shape))

    def forward(
        self, observation: Float[Tensor, "B ..."], is_batch: bool = False
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        """Return mean and log standard deviation before squashing; ``is_batch``: see `ContinuousCritic`."""
        x = observation.flatten(1)
        for index, layer in enumerate(self.layers):
            if self.norms:
                x = self.norms[index](x, is_batch=is_batch)
            x = torch.relu_(layer(x))
        if self.norms:
            x = self.norms[-1](x, is_batch=is_batch)
        mean, log_std = self.mean_and_log_std(x).chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD_RANGE)
