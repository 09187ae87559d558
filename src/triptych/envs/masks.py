"""Environments that say in ``info["action_mask"]`` which of their actions are allowed."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

NAME = "action_mask"


def gives_mask(env: gymnasium.Env) -> bool:
    """Whether an environment with one discrete choice says at the start of an episode what is allowed.

    The environment is reset.
    """
    if not isinstance(env.action_space, Discrete):
        return False
    try:
        _, info = env.reset(seed=0)
    except Exception:  # whatever is wrong with it is told when it is played
        return False
    mask: Any = info.get(NAME) if isinstance(info, dict) else None
    return np.shape(mask) == (int(env.action_space.n),)


class MaskedObservation(gymnasium.Wrapper):
    """Shows observations as flat vectors of float32, with a 1 for each allowed action behind them and else a 0.

    An environment that gives no mask for a while, or one that allows nothing, as some do at an end, allows all actions.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        assert isinstance(env.action_space, Discrete)
        self.num_actions = int(env.action_space.n)
        size = int(np.prod(env.observation_space.shape or ())) + self.num_actions
        self.observation_space = Box(-np.inf, np.inf, (size,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._masked(observation, info), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._masked(observation, info), reward, terminated, truncated, info

    def _masked(self, observation: Any, info: dict[str, Any]) -> np.ndarray:
        allowed = np.asarray(info.pop(NAME, np.ones(self.num_actions)), np.float32) > 0
        if not allowed.any():
            allowed = np.ones(self.num_actions, bool)
        return np.concatenate([np.ravel(observation).astype(np.float32), allowed.astype(np.float32)])
