"""Whose rewards are whose, where two players take turns."""

from __future__ import annotations

import numpy as np

from triptych.types import Received


class Sides:
    """Keeps, for N environments, whether the one who moved first is to move, or the opponent.

    What an environment gives is the reward of the player who moved; a return is that of the player who moved first. Of
    one player, the two are the same.
    """

    def __init__(self, num_envs: int) -> None:
        self.sign = np.ones(num_envs, dtype=np.float32)  # -1 where the opponent is to move

    def begin(self, mask: np.ndarray | slice = slice(None)) -> None:
        """Take note that episodes begin, in the environments of ``mask [N]``."""
        self.sign[mask] = 1

    def rewards(self, received: Received) -> np.ndarray:
        """Return the rewards ``[N]`` of who moved first, and take note of whose turn it is now."""
        rewards = self.sign * received.reward
        if received.turn_passes is not None:
            self.sign[received.turn_passes] *= -1
        return rewards
