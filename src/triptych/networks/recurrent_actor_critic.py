"""Actor-critic networks with a memory: a policy and a state value of all that an episode has shown so far."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution

from triptych.networks.actor_critic import make_normalization, make_policy_head
from triptych.networks.choice import Network, OwnNetwork, OwnTorso, make_torso
from triptych.networks.recurrent_torso import RecurrentTorso
from triptych.networks.torsos import initialize_orthogonal
from triptych.types import EnvSpec


class RecurrentActorCritic(nn.Module):
    """π(·|o₁ … oₜ) and V(o₁ … oₜ): on one torso and memory for images, on one each for vectors.

    The state of an environment is that of the policy's memory, and of the value's behind it where it has its own.

    Args:
        spec: of the environments.
        memory_units: see `Memory`.
        normalize_observations: bring vectors to mean 0 and variance 1 as seen so far (`RunningNormalization`).
        network: what the user chose of the torso, see `make_torso`.

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
    ) -> None:
        super().__init__()
        self.normalization = make_normalization(spec, normalize_observations)
        torsos = [
            RecurrentTorso(make_torso(spec, network, vector_sizes=(128,), activation=nn.Tanh), memory_units)
            for _ in range(1 if spec.is_image else 2)
        ]
        self.policy_torso, self.value_torso, self.is_shared = torsos[0], torsos[-1], spec.is_image
        self.state_size = sum(torso.state_size for torso in torsos)
        self.policy = make_policy_head(memory_units, spec)
        self.value = nn.Linear(memory_units, 1)
        for torso in torsos:
            if not isinstance(torso.torso, OwnTorso):
                initialize_orthogonal(torso.torso, gain=math.sqrt(2))
        initialize_orthogonal(self.policy, gain=0.01)  # almost uniform at the start
        initialize_orthogonal(self.value, gain=1.0)

    def forward(
        self,
        observation: Float[Tensor, "T N ..."] | Tensor,
        state: Float[Tensor, "N S"],
        is_first: Bool[Tensor, "T N"],
    ) -> tuple[Distribution, Float[Tensor, " T*N"]]:
        """Return the policies and the values ``[T · N]`` of sequences that begin in these states."""
        observation = self._normalized(observation)
        if self.is_shared:
            features = self.policy_torso(observation, state, is_first)
            return self._heads(features, features)
        policy_state, value_state = state.chunk(2, dim=1)
        policy_features = self.policy_torso(observation, policy_state, is_first)
        return self._heads(policy_features, self.value_torso(observation, value_state, is_first))

    def step(
        self, observation: Float[Tensor, "N ..."] | Tensor, state: Float[Tensor, "N S"]
    ) -> tuple[Distribution, Float[Tensor, " N"], Float[Tensor, "N S"]]:
        """Return the policies, the values and the next states of single observations."""
        observation = self._normalized(observation)
        if self.is_shared:
            features, state = self.policy_torso.step(observation, state)
            return *self._heads(features, features), state
        policy_state, value_state = state.chunk(2, dim=1)
        policy_features, policy_state = self.policy_torso.step(observation, policy_state)
        value_features, value_state = self.value_torso.step(observation, value_state)
        return *self._heads(policy_features, value_features), torch.cat([policy_state, value_state], dim=1)

    def observe(self, observation: Float[Tensor, "T N ..."] | Tensor) -> None:
        """Count a rollout's observations into the running statistics, where they are used."""
        if self.normalization is not None and len(observation):
            self.normalization.update(observation.flatten(0, 1))

    def _normalized(self, observation: Tensor) -> Tensor:
        return observation if self.normalization is None else self.normalization(observation)

    def _heads(self, policy_features: Tensor, value_features: Tensor) -> tuple[Distribution, Tensor]:
        with torch.autocast(policy_features.device.type, enabled=False):
            return self.policy(policy_features), self.value(value_features).squeeze(-1)
