"""Q-networks: one value for each action."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.networks.torsos import initialize_orthogonal, make_torso
from triptych.types import EnvSpec


class LinearHead(nn.Module):
    """Q(s, ·) as a linear function of the features."""

    def __init__(self, num_features: int, num_actions: int) -> None:
        super().__init__()
        self.q_values = nn.Linear(num_features, num_actions)

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B A"]:
        return self.q_values(features)


class DuelingHead(nn.Module):
    """Q = V + A - mean(A) (Wang et al. 2016, equation 9), both streams on the shared hidden layer."""

    def __init__(self, num_features: int, num_actions: int) -> None:
        super().__init__()
        self.value = nn.Linear(num_features, 1)
        self.advantage = nn.Linear(num_features, num_actions)

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B A"]:
        advantage = self.advantage(features)
        return self.value(features) + advantage - advantage.mean(dim=-1, keepdim=True)


class QNetwork(nn.Module):
    """A torso for the observation and a head for the actions."""

    def __init__(self, spec: EnvSpec, *, dueling: bool = False, layer_norm: bool = False) -> None:
        super().__init__()
        assert spec.num_actions is not None
        self.torso = make_torso(spec.observation_shape, spec.is_image, layer_norm)
        head = DuelingHead if dueling else LinearHead
        self.head = head(self.torso.num_features, spec.num_actions)
        if spec.is_image:
            # A small thing, such as a ball, must still show after four layers; and values start near 0.
            initialize_orthogonal(self.torso, gain=math.sqrt(2))
            initialize_orthogonal(self.head, gain=0.01)

    def forward(self, observation: Tensor) -> Float[Tensor, "B A"]:
        """Return Q(s, ·), from a head in single precision: actions may differ by little."""
        features = self.torso(observation)
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())
