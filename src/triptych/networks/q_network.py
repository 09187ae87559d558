"""Q-networks: one value for each action."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.functional.masks import mask_out
from triptych.networks.choice import Network, OwnNetwork, OwnTorso, make_torso
from triptych.networks.noisy import make_noisy
from triptych.networks.torsos import initialize_orthogonal
from triptych.types import EnvSpec


class LinearHead(nn.Module):
    """Outputs for each action, linear in the features."""

    def __init__(self, num_features: int, num_actions: int, num_bins: int = 1) -> None:
        super().__init__()
        self.shape = (num_actions, num_bins)
        self.q_values = nn.Linear(num_features, num_actions * num_bins)

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B A S"]:
        return self.q_values(features).unflatten(-1, self.shape)


class DuelingHead(nn.Module):
    """Q = V + A - mean(A) (Wang et al. 2016, equation 9), both streams on the shared hidden layer."""

    def __init__(self, num_features: int, num_actions: int, num_bins: int = 1) -> None:
        super().__init__()
        self.shape = (num_actions, num_bins)
        self.value = nn.Linear(num_features, num_bins)
        self.advantage = nn.Linear(num_features, num_actions * num_bins)

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B A S"]:
        advantage = self.advantage(features).unflatten(-1, self.shape)
        return self.value(features)[:, None] + advantage - advantage.mean(dim=1, keepdim=True)


class QNetwork(nn.Module):
    """A torso for the observation and a head for the actions.

    Args:
        spec: of the environments; actions must be discrete.
        dueling: the head adds a state value and action advantages.
        layer_norm: normalise the layers of the torso.
        num_bins: of a distribution for each action; ``None`` for one value.
        noisy: the hidden layers and the head are `NoisyLinear`, but for a torso of the user's own.
        network: what the user chose of the torso, see `make_torso`.
        head_gain: of the orthogonal initial weights of the head over images.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        dueling: bool = False,
        layer_norm: bool = False,
        num_bins: int | None = None,
        network: Network | OwnNetwork | None = None,
        noisy: bool = False,
        head_gain: float = 0.01,
    ) -> None:
        super().__init__()
        self.spec, spec = spec, spec.seen
        assert spec.num_actions is not None
        self.num_bins = num_bins
        self.torso = make_torso(spec, network, layer_norm=layer_norm)
        head = DuelingHead if dueling else LinearHead
        self.head = head(self.torso.num_features, spec.num_actions, num_bins or 1)
        if spec.is_image:
            # A small thing, such as a ball, must still show after four layers; and values start near 0.
            if not isinstance(self.torso, OwnTorso):
                initialize_orthogonal(self.torso, gain=math.sqrt(2))
            initialize_orthogonal(self.head, gain=head_gain)
        if noisy:
            make_noisy(self.head if isinstance(self.torso, OwnTorso) else self)

    def forward(self, observation: Tensor) -> Float[Tensor, "B A"] | Float[Tensor, "B A S"]:
        """Return Q(s, ·), or the logits of its distributions, from a head in single precision.

        Actions may differ by little. Those that are not allowed have values below all others.
        """
        features = self.torso(self.spec.see(observation))
        with torch.autocast(features.device.type, enabled=False):
            outputs = self.head(features.float())
        if self.num_bins is not None:
            return outputs
        legal = self.spec.legal_actions(observation)
        return outputs.squeeze(-1) if legal is None else mask_out(outputs.squeeze(-1), legal)
