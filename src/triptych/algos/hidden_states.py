"""What a recurrent network remembers of each environment while it plays, apart for each way of playing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych.types import EXPLORE


class HiddenStates:
    """A state for each environment, 0 where an episode begins.

    Evaluations come in between the steps of training and may have any number of environments, so each way of playing
    has states of its own. A checkpoint holds those of training: an evaluation begins its episodes anew.

    Args:
        size: numbers of a state.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._states: dict[str, Tensor] = {}

    def begin_episodes(self, is_first: Tensor, mode: str = EXPLORE) -> None:
        """Set the states of the environments ``[N]`` in which an episode begins to 0."""
        state = self.of(mode, len(is_first))
        self._states[mode] = state.masked_fill(is_first.to(state.device)[:, None], 0.0)

    def of(self, mode: str, num_envs: int, device: torch.device | str | None = None) -> Tensor:
        """Return the states ``[N, H]``; those of another number of environments are over."""
        state = self._states.get(mode)
        if state is None or len(state) != num_envs:
            state = torch.zeros(num_envs, self.size)
        return state.to(device or state.device)

    def forget(self, mode: str) -> None:
        """Let every environment begin anew."""
        self._states.pop(mode, None)

    def keep(self, mode: str, state: Tensor) -> None:
        """Keep the states ``[N, H]`` until the next step."""
        self._states[mode] = state

    def state_dict(self) -> dict[str, Any]:
        return {mode: state for mode, state in self._states.items() if mode == EXPLORE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._states = dict(state_dict)
