"""The n-step accumulator: folds γ into windows and closes them where an episode ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch


class Windows(NamedTuple):
    """Windows that close with the step just added; ``W`` of them."""

    env_index: np.ndarray  # [W] int64
    num_steps: np.ndarray  # [W] int64, 1 to n: how many steps ago, this one counted, the window opened
    reward: np.ndarray  # [W] float32, sum of γⁱ rᵢ
    discount: np.ndarray  # [W] float32, γ to the number of steps, negative for the opponent; 0 after termination


class NStepAccumulator:
    """Builds n-step windows for N environments in parallel (Sutton & Barto 2018, equation 7.1).

    A window closes when it holds n steps or at the last step before an end, whichever comes first; so every
    step opens exactly one window and none crosses an end.
    """

    def __init__(self, num_envs: int, n_step: int, discount: float) -> None:
        self.n_step, self.discount = n_step, discount
        # Row j belongs to the window that opened j steps ago.
        self._reward = np.zeros((n_step, num_envs), dtype=np.float32)
        self._discount = np.ones((n_step, num_envs), dtype=np.float32)
        self._num_open = np.zeros(num_envs, dtype=np.int64)
        self._age = np.arange(n_step)[:, None]

    def add(
        self,
        reward: np.ndarray,
        is_terminal: np.ndarray,
        is_last: np.ndarray,
        turn_passes: np.ndarray | None = None,
    ) -> Windows:
        """Add one vector step of ``[N]`` arrays; where the turn passes, what follows counts for the opponent."""
        self._reward[1:], self._discount[1:] = self._reward[:-1].copy(), self._discount[:-1].copy()
        self._reward[0], self._discount[0] = 0.0, 1.0
        self._num_open += 1
        self._reward += self._discount * reward
        self._discount *= np.float32(self.discount) * ~is_terminal
        if turn_passes is not None:
            self._discount[:, turn_passes] *= -1

        is_open = self._age < self._num_open
        is_closing = is_open & (is_last | (self._age == self.n_step - 1))
        age, env_index = np.nonzero(is_closing)
        windows = Windows(env_index, age + 1, self._reward[age, env_index], self._discount[age, env_index])
        self._num_open[is_last] = 0
        np.minimum(self._num_open, self.n_step - 1, out=self._num_open)
        return windows

    def reset(self, env_index: np.ndarray | slice = slice(None)) -> None:
        """Forget the open windows of some environments."""
        self._num_open[env_index] = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the open windows."""
        return {
            "reward": torch.tensor(self._reward),
            "discount": torch.tensor(self._discount),
            "num_open": torch.tensor(self._num_open),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._reward[...], self._discount[...] = state["reward"].numpy(), state["discount"].numpy()
        self._num_open[...] = state["num_open"].numpy()
