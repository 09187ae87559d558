"""Q-networks with a memory: one value for each action, of all that an episode has shown so far."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from triptych.networks.choice import Network, OwnNetwork, OwnTorso, make_torso
from triptych.networks.q_network import DuelingHead, LinearHead
from triptych.networks.recurrent_torso import RecurrentTorso
from triptych.networks.torsos import initialize_orthogonal
from triptych.types import EnvSpec


class RecurrentQNetwork(nn.Module):
    """A torso for the observation, a memory, and a head for the actions.

    Args:
        spec: of the environments; actions must be discrete.
        memory_units: see `Memory`.
        dueling: the head adds a state value and action advantages.
        network: what the user chose of the torso, see `make_torso`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        memory_units: int,
        dueling: bool = False,
        network: Network | OwnNetwork | None = None,
    ) -> None:
        super().__init__()
        assert spec.num_actions is not None
        torso = make_torso(spec, network, vector_sizes=(128,))
        self.torso = RecurrentTorso(torso, memory_units)
        self.head = (DuelingHead if dueling else LinearHead)(memory_units, spec.num_actions)
        self.state_size = self.torso.state_size
        if spec.is_image and not isinstance(torso, OwnTorso):
            initialize_orthogonal(torso, gain=math.sqrt(2))

    def forward(
        self,
        observation: Float[Tensor, "T N ..."] | Tensor,
        state: Float[Tensor, "N S"],
        is_first: Bool[Tensor, "T N"],
    ) -> Float[Tensor, "T N A"]:
        """Return Q(o₁ … oₜ, ·) of sequences that begin in these states, from a head in single precision."""
        return self._head(self.torso(observation, state, is_first)).unflatten(0, observation.shape[:2])

    def step(
        self, observation: Float[Tensor, "N ..."] | Tensor, state: Float[Tensor, "N S"]
    ) -> tuple[Float[Tensor, "N A"], Float[Tensor, "N S"]]:
        """Return the values and the next states of single observations."""
        features, state = self.torso.step(observation, state)
        return self._head(features), state

    def last_state(
        self,
        observation: Float[Tensor, "T N ..."] | Tensor,
        state: Float[Tensor, "N S"],
        is_first: Bool[Tensor, "T N"],
    ) -> Float[Tensor, "N S"]:
        """Return the states after the last observations."""
        return self.torso.last_state(observation, state, is_first)

    def _head(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features).squeeze(-1)
