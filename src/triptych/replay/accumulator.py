"""Accumulators: they fold γ into windows and close them where an episode ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch


class Windows(NamedTuple):
    """Windows that close with the step just added; ``W`` of them."""

    env_index: np.ndarray  # [W] int64
    num_steps: np.ndarray  # [W] int64, 1 to n: how many steps ago, this one counted, the window opened
    reward: np.ndarray  # [W] float32, sum of γⁱ rᵢ
    # [W] float32, γ to the number of steps, negative for the opponent, or between own turns γ; 0 after termination
    discount: np.ndarray


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


class OwnTurnAccumulator:
    """Builds windows from each turn of a player to the same player's next one, for N games of two players in parallel.

    What the opponent wins on the way, the player loses. So each player learns from what that player knows: where there
    are secrets, the opponent's observation is none of the player's. A window that a truncation cuts is kept only if the
    player would have been the next to move, as nobody else saw the end.

    Args:
        num_envs: N.
        discount: γ, from one turn of a player to the next.
        longest: steps of a window; a longer one is dropped.
    """

    def __init__(self, num_envs: int, discount: float, longest: int) -> None:
        self.discount, self.longest = discount, longest
        self._envs = np.arange(num_envs)
        self._mover = np.zeros(num_envs, dtype=np.int64)  # 0 for the player who moved first in the game
        # Row p belongs to the window of player p.
        self._is_open = np.zeros((2, num_envs), dtype=bool)
        self._num_steps = np.zeros((2, num_envs), dtype=np.int64)
        self._reward = np.zeros((2, num_envs), dtype=np.float32)

    def add(
        self,
        reward: np.ndarray,
        is_terminal: np.ndarray,
        is_last: np.ndarray,
        turn_passes: np.ndarray | None,
    ) -> Windows:
        """Add one vector step of ``[N]`` arrays, with the rewards of those who moved; see `NStepAccumulator`."""
        assert turn_passes is not None, "only games of two players have turns"
        mover, other = (self._mover, self._envs), (1 - self._mover, self._envs)
        self._is_open[mover], self._num_steps[mover], self._reward[mover] = True, 0, 0.0
        self._num_steps += 1
        self._reward[mover] += reward
        self._reward[other] -= reward

        next_mover = np.where(turn_passes, 1 - self._mover, self._mover)
        ends = self._is_open & (is_terminal | (np.arange(2)[:, None] == next_mover))
        player, env_index = np.nonzero(ends & (self._num_steps <= self.longest))
        discount = np.float32(self.discount) * ~is_terminal[env_index]
        found = player, env_index
        windows = Windows(env_index, self._num_steps[found], self._reward[found], discount)
        self._is_open &= ~(ends | is_last)
        self._mover = np.where(is_last, 0, next_mover)
        return windows

    def reset(self, env_index: np.ndarray | slice = slice(None)) -> None:
        """Forget the open windows of some environments, in which games begin."""
        self._is_open[:, env_index], self._mover[env_index] = False, 0

    def state_dict(self) -> dict[str, Any]:
        """Return the open windows, and whose turn it is."""
        state = {"mover": self._mover, "is_open": self._is_open, "num_steps": self._num_steps, "reward": self._reward}
        return {name: torch.tensor(array) for name, array in state.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._mover, self._is_open = state["mover"].numpy().copy(), state["is_open"].numpy().copy()
        self._num_steps, self._reward = state["num_steps"].numpy().copy(), state["reward"].numpy().copy()
