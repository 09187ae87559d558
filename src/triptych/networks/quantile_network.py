"""The quantiles of each action's return at any fraction (Dabney et al. 2018, IQN)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.networks.choice import Network, OwnNetwork, make_torso
from triptych.networks.noisy import NoisyLinear, make_noisy
from triptych.networks.torsos import initialize_orthogonal
from triptych.types import ConfigurationError, EnvSpec

IMAGE_WIDTH, VECTOR_WIDTH = 512, 128  # units of the last hidden layer, where nobody chose


class QuantileNetwork(nn.Module):
    """Z_τ(s, ·) = f(ψ(s) ⊙ φ(τ)), with φ(τ) = ReLU(W cos(π i τ) + b) for i = 0, 1, ... (section 3.1, equation 4).

    ψ is the torso without its last hidden layer, f that layer and the head.

    Args:
        spec: of the environments; actions must be discrete.
        num_cosines: of the embedding of a fraction.
        noisy: the layers of f are `NoisyLinear`.
        network: what the user chose of the torso, see `make_torso`.
    """

    frequencies: Tensor

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_cosines: int = 64,
        noisy: bool = False,
        network: Network | OwnNetwork | None = None,
    ) -> None:
        super().__init__()
        assert spec.num_actions is not None
        width = IMAGE_WIDTH if spec.is_image else VECTOR_WIDTH
        if not callable(network):
            torso, sizes = network or Network()
            if sizes is None:
                sizes = [width] if spec.is_image else [width, width]
            if not sizes:
                raise ConfigurationError(
                    "algo.network.hidden_sizes=[] does not fit IQN, whose quantiles need a hidden layer; give one, "
                    "as [512]."
                )
            *before, width = sizes
            network = Network(torso, before)
        self.torso = make_torso(spec, network)
        num_features = self.torso.num_features
        self.register_buffer("frequencies", math.pi * torch.arange(num_cosines), persistent=False)
        self.embedding = nn.Sequential(nn.Linear(num_cosines, num_features), nn.ReLU())
        self.hidden = nn.Sequential(nn.Linear(num_features, width), nn.ReLU())
        self.head = nn.Linear(width, spec.num_actions)
        if spec.is_image:
            if not callable(network):
                initialize_orthogonal(self.torso, gain=math.sqrt(2))
            initialize_orthogonal(self.hidden, gain=math.sqrt(2))
            initialize_orthogonal(self.head, gain=0.01)
        if noisy:
            make_noisy(self.hidden)
            self.head = NoisyLinear(self.head)

    def forward(self, observation: Tensor, fractions: Float[Tensor, "B Q"]) -> Float[Tensor, "B Q A"]:
        """Return the quantiles at ``fractions``, from a head in single precision."""
        features = self.torso(observation)[:, None]  # [B, 1, F]
        embedded = self.embedding((fractions[..., None] * self.frequencies).cos())  # [B, Q, F]
        hidden = self.hidden(features * embedded)  # [B, Q, H]
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(hidden.float())
