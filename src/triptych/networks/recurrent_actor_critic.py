"""Actor-critic networks with a memory: a policy and a state value of all that an episode has shown so far."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution

from triptych.networks.actor_critic import make_policy_head
from triptych.networks.choice import Network, OwnNetwork, OwnTorso, make_torso
from triptych.networks.normalization import make_normalization
from triptych.networks.recurrent_torso import RecurrentTorso
from triptych.networks.torsos import initialize_orthogonal
from triptych.types import EnvSpec


class RecurrentActorCritic(nn.Module):
    """π(·|o₁ … oₜ) and V(o₁ … oₜ): a torso and a memory that they share, and a head for each.

    Args:
        spec: of the environments.
        memory_units: see `Memory`.
        normalize_observations: bring vectors to mean 0 and variance 1 as seen so far (`RunningNormalization`).
        network: what the user chose of the torso, see `make_torso`.
        initial_std: see `GaussianHead`.

    Raises:
        ConfigurationError: images were to be normalised.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        memory_units: int,
        normalize_observations: bool = False,
        network: Network | OwnNetwork | None = None,
        initial_std: float = 1.0,
    ) -> None:
        super().__init__()
        self.normalization = make_normalization(spec, normalize_observations)
        torso = make_torso(spec, network, vector_sizes=(128,), activation=nn.Tanh)
        self.torso = RecurrentTorso(torso, memory_units)
        self.state_size = self.torso.state_size
        self.policy = make_policy_head(memory_units, spec, initial_std)
        self.value = nn.Linear(memory_units, 1)
        if not isinstance(torso, OwnTorso):
            initialize_orthogonal(torso, gain=math.sqrt(2))
        initialize_orthogonal(self.policy, gain=0.01)  # almost uniform at the start
        initialize_orthogonal(self.value, gain=1.0)

    def forward(
        self,
        observation: Float[Tensor, "T N ..."] | Tensor,
        state: Float[Tensor, "N S"],
        is_first: Bool[Tensor, "T N"],
    ) -> tuple[Distribution, Float[Tensor, " T*N"]]:
        """Return the policies and the values ``[T · N]`` of sequences that begin in these states."""
        return self._heads(self.torso(self._normalized(observation), state, is_first))

    def step(
        self, observation: Float[Tensor, "N ..."] | Tensor, state: Float[Tensor, "N S"]
    ) -> tuple[Distribution, Float[Tensor, " N"], Float[Tensor, "N S"]]:
        """Return the policies, the values and the next states of single observations."""
        features, state = self.torso.step(self._normalized(observation), state)
        return *self._heads(features), state

    def last_state(
        self,
        observation: Float[Tensor, "T N ..."] | Tensor,
        state: Float[Tensor, "N S"],
        is_first: Bool[Tensor, "T N"],
    ) -> Float[Tensor, "N S"]:
        """Return the states after the last observations."""
        return self.torso.last_state(self._normalized(observation), state, is_first)

    def observe(self, observation: Float[Tensor, "T N ..."] | Tensor) -> None:
        """Count a rollout's observations into the running statistics, where they are used."""
        if self.normalization is not None and len(observation):
            self.normalization.update(observation.flatten(0, 1))

    def _normalized(self, observation: Tensor) -> Tensor:
        return observation if self.normalization is None else self.normalization(observation)

    def _heads(self, features: Tensor) -> tuple[Distribution, Tensor]:
        with torch.autocast(features.device.type, enabled=False):
            return self.policy(features), self.value(features).squeeze(-1)
