"""A torso of one's own: from an observation to features."""

from __future__ import annotations

from torch import Tensor, nn

from triptych.types import EnvSpec
from triptych.types.bounds import Count


class ResidualTorso(nn.Module):
    """Hidden layers around which their input is carried.

    Args:
        spec: of the environments, which says what is seen.
        num_blocks, width: of the layers.
    """

    def __init__(self, spec: EnvSpec, *, num_blocks: Count = 2, width: Count = 64) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(spec.observation_size, width))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU()) for _ in range(num_blocks)
        )

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations ``[B, *observation_shape]`` to features ``[B, width]``."""
        features = self.first(observation)
        for block in self.blocks:
            features = features + block(features)
        return features
