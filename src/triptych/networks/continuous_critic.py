"""Q(s, a) of continuous actions: several critics in one, so that each layer of all is one batched product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.networks.batch_renormalization import BatchRenormalization
from triptych.types import EnvSpec


class StackedLinear(nn.Module):
    """H linear layers of one size, whose initial weights are those of `torch.nn.Linear`."""

    def __init__(self, num_layers: int, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(num_inputs)
        self.weight = nn.Parameter(torch.empty(num_layers, num_inputs, num_outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_layers, 1, num_outputs).uniform_(-bound, bound))

    def forward(self, x: Float[Tensor, "H B I"], is_frozen: bool = False) -> Float[Tensor, "H B O"]:
        weight, bias = (self.weight.detach(), self.bias.detach()) if is_frozen else (self.weight, self.bias)
        return torch.baddbmm(bias, x, weight)


class ContinuousCritic(nn.Module):
    """H critics, each with hidden layers and rectifiers over the observation and the action.

    Args:
        spec: of the environments; vectors are seen, actions are continuous.
        hidden_sizes: units of the hidden layers.
        num_critics: H.
        renormalization_warmup_updates: bring the input and each hidden layer to mean 0 and variance 1 by
            `BatchRenormalization`, which corrects after so many updates; ``None`` for without.
    """

    def __init__(
        self,
        spec: EnvSpec,
        hidden_sizes: Sequence[int],
        num_critics: int,
        renormalization_warmup_updates: int | None = None,
    ) -> None:
        super().__init__()
        sizes = (spec.observation_size + math.prod(spec.action_shape), *hidden_sizes, 1)
        self.num_critics = num_critics
        self.layers = nn.ModuleList(StackedLinear(num_critics, *pair) for pair in itertools.pairwise(sizes))
        warmup = renormalization_warmup_updates
        norms = [] if warmup is None else [BatchRenormalization((num_critics, 1, size), warmup) for size in sizes[:-1]]
        self.norms = nn.ModuleList(norms)

    def forward(
        self,
        observation: Float[Tensor, "B ..."],
        action: Float[Tensor, "B D"],
        is_frozen: bool = False,
        is_batch: bool = False,
    ) -> Float[Tensor, "H B"]:
        """Return the value that each critic gives to actions from -1 to 1.

        Args:
            observation: of B states.
            action: one in each.
            is_frozen: the gradient goes to the observations and actions alone, as for the loss of a policy.
            is_batch: batch renormalisation uses the statistics of these rows, and learns from them.
        """
        x = torch.cat((observation.flatten(1), action), dim=-1).expand(self.num_critics, -1, -1)
        for index, layer in enumerate(self.layers):
            if self.norms:
                x = self.norms[index](x, is_batch=is_batch, is_frozen=is_frozen)
            x = layer(x, is_frozen)
            if index < len(self.layers) - 1:
                x = torch.relu_(x)
        return x.squeeze(-1)
