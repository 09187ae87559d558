"""A torso with a memory behind it: from all observations of an episode so far to features."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from triptych.networks.choice import Torso
from triptych.networks.memory import Memory


class RecurrentTorso(nn.Module):
    """Features of each observation, summed up by a memory.

    Args:
        torso: for single observations.
        memory_units: see `Memory`.
    """

    def __init__(self, torso: Torso, memory_units: int) -> None:
        super().__init__()
        self.torso, self.memory = torso, Memory(torso.num_features, memory_units)
        self.num_features, self.state_size = memory_units, self.memory.state_size

    def forward(
        self,
        observation: Float[Tensor, "T N ..."] | Tensor,
        state: Float[Tensor, "N S"],
        is_first: Bool[Tensor, "T N"],
    ) -> Float[Tensor, "T*N H"]:
        """Return the features of sequences that begin in these states."""
        return self.memory(self._of_each(observation), state, is_first).flatten(0, 1)

    def step(
        self, observation: Float[Tensor, "N ..."] | Tensor, state: Float[Tensor, "N S"]
    ) -> tuple[Float[Tensor, "N H"], Float[Tensor, "N S"]]:
        """Return the features and the next states of single observations."""
        return self.memory.step(self.torso(observation), state)

    def last_state(
        self,
        observation: Float[Tensor, "T N ..."] | Tensor,
        state: Float[Tensor, "N S"],
        is_first: Bool[Tensor, "T N"],
    ) -> Float[Tensor, "N S"]:
        """Return the states after the last observations."""
        return self.memory.last_state(self._of_each(observation), state, is_first)

    def _of_each(self, observation: Tensor) -> Tensor:
        return self.torso(observation.flatten(0, 1)).unflatten(0, observation.shape[:2])
