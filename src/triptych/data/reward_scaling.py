"""Rewards of any size, brought to one that a critic can learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from triptych import ranks


class RewardScaling:
    """Divides rewards by the standard deviation of the discounted return so far, and clips them to ±``limit``.

    Engstrom et al. 2020, "Implementation matters in deep policy gradients", section 3; here each episode's
    return starts from 0.

    Args:
        num_envs: environments, each with a running return of its own.
        discount: γ.
        limit: in standard deviations.
    """

    def __init__(self, num_envs: int, discount: float, limit: float = 10.0) -> None:
        self.discount, self.limit = discount, limit
        self._return = np.zeros(num_envs)
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def __call__(self, reward: np.ndarray, is_first: np.ndarray, is_last: np.ndarray) -> np.ndarray:
        """Count the rewards ``[N]`` of one vector step in and return them, scaled."""
        self._return = np.where(is_first, 0.0, self._return) + reward
        returns = ranks.concatenate(torch.from_numpy(self._return)).numpy()  # all processes count the same
        count = self._count + len(returns)
        delta = returns.mean() - self._mean
        self._squares += returns.var() * len(returns) + delta**2 * self._count * len(returns) / count
        self._mean += delta * len(returns) / count
        self._count = count
        self._return = np.where(is_last, 0.0, self.discount * self._return)
        scale = 1 / math.sqrt(self._squares / count + 1e-8)
        return np.clip(reward * scale, -self.limit, self.limit).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """Return the statistics and the running returns."""
        statistics = {"count": self._count, "mean": float(self._mean), "squares": float(self._squares)}
        return statistics | {"returns": self._return.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._return = np.array(state["returns"])
        self._count, self._mean, self._squares = state["count"], state["mean"], state["squares"]
