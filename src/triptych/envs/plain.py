"""What is read of a Gymnasium environment's steps, in one form."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np

from triptych.envs import masks
from triptych.envs.interface import is_number, misfit

LARGEST_REWARD = float(np.finfo(np.float32).max)


class Plain(gymnasium.Wrapper):
    """Hands on what is read here, in one form: rewards as numbers, and of the infos ``lives``, where it is a number.

    Where the environment has a mask, also that.

    An environment that is given no options sees ``None`` and not an empty dict.

    Raises:
        ValueError: an observation has not the form of its space, or a reward is no number or beyond float32.
    """

    def __init__(self, env: gymnasium.Env, has_mask: bool = False) -> None:
        super().__init__(env)
        self.has_mask = has_mask
        space = env.observation_space
        self._shape = space.shape if isinstance(space, gymnasium.spaces.Box) else None  # of an array

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options or None)
        self._check(observation)
        return observation, self._read(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward: Any
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not isinstance(reward, int | float):
            if not is_number(reward):
                raise ValueError(f"the environment gave a reward that is no number: {reward!r}")
            reward = np.ravel(reward)[0]
        if LARGEST_REWARD < abs(reward) < math.inf:
            raise ValueError(f"the environment gave a reward of {float(reward):g}, which float32 does not hold")
        self._check(observation)
        return observation, float(reward), bool(terminated), bool(truncated), self._read(info)

    def _check(self, observation: Any) -> None:
        if isinstance(observation, np.ndarray) and observation.shape == self._shape and observation.dtype != object:
            return  # most are, and a step may take microseconds
        wrong = misfit(self.observation_space, observation)
        if wrong is not None:
            raise ValueError(f"the environment gave an observation that {wrong}")

    def _read(self, info: Any) -> dict[str, Any]:
        mask = info.get(masks.NAME) if self.has_mask and isinstance(info, dict) else None
        return _lives_in(info) if mask is None else _lives_in(info) | {masks.NAME: mask}


def _lives_in(info: Any) -> dict[str, Any]:
    lives: Any = info.get("lives") if isinstance(info, dict) else None
    is_number = isinstance(lives, int | float | np.number) and not isinstance(lives, bool)
    return {"lives": int(lives)} if is_number and np.isfinite(lives) else {"lives": 0}
