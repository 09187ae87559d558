"""One network that says of a position how to move and who wins (Silver et al. 2017, "Mastering the game of Go without
human knowledge", Nature 550, Methods, neural network architecture)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.functional.masks import mask_out
from triptych.networks.torsos import PixelConvolution
from triptych.networks.world_model import Head, NormalizedResidualBlock, PlaneHead, normalized_layers
from triptych.types import EnvSpec


class PolicyValueNetwork(nn.Module):
    """A residual tower with two heads for planes; two hidden layers with two heads for vectors.

    Args:
        spec: of the environments; actions must be discrete.
        num_blocks, num_channels: of the tower; of vectors, ``num_channels`` are the units.
    """

    def __init__(self, spec: EnvSpec, num_blocks: int, num_channels: int) -> None:
        super().__init__()
        self.spec, seen = spec, spec.seen
        assert spec.num_actions is not None
        shape = seen.observation_shape
        self.torso: nn.Module
        self.policy: nn.Module
        self.value: nn.Module
        if seen.is_image:
            self.torso = nn.Sequential(
                PixelConvolution(shape[0], num_channels, 3, padding=1, bias=False, pixel_max=seen.pixel_max),
                nn.GroupNorm(1, num_channels),
                nn.ReLU(inplace=True),
                *(NormalizedResidualBlock(num_channels) for _ in range(num_blocks)),
            )
            planes = num_channels, shape[1], shape[2]
            self.policy, self.value = PlaneHead(planes, spec.num_actions), PlaneHead(planes, 1)
        else:
            self.torso = nn.Sequential(
                nn.Flatten(), normalized_layers(seen.observation_size, num_channels, num_channels)
            )
            self.policy = Head(num_channels, num_channels, spec.num_actions)
            self.value = Head(num_channels, num_channels, 1)

    def forward(self, observation: Tensor) -> tuple[Float[Tensor, "B A"], Float[Tensor, " B"]]:
        """Return the policy's logits, without actions that are not allowed, and values from -1 to 1."""
        logits, value = self.see(self.spec.see(observation))
        legal = self.spec.legal_actions(observation)
        return logits if legal is None else mask_out(logits, legal), value

    def see(self, seen: Tensor) -> tuple[Float[Tensor, "B A"], Float[Tensor, " B"]]:
        """Return logits of all actions, and values, of what is seen, ``[B, *seen_shape]``."""
        features = self.torso(seen)
        return self.policy(features), torch.tanh(self.value(features)).squeeze(-1)
