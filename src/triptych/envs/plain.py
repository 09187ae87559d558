"""What is read of a Gymnasium environment's steps, in one form."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from triptych.envs import masks
from triptych.envs.interface import is_number


class Plain(gymnasium.Wrapper):
    """Hands on what is read here, in one form: rewards as numbers, and of the infos ``lives``, where it is a number.

    Where the environment has a mask, also that.

    An environment that is given no options sees ``None`` and not an empty dict.
    """

    def __init__(self, env: gymnasium.Env, has_mask: bool = False) -> None:
        super().__init__(env)
        self.has_mask = has_mask

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options or None)
        return observation, self._read(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward: Any
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not isinstance(reward, int | float):
            if not is_number(reward):
                raise ValueError(f"the environment gave a reward that is no number: {reward!r}")
            reward = np.ravel(reward)[0]
        return observation, float(reward), bool(terminated), bool(truncated), self._read(info)

    def _read(self, info: Any) -> dict[str, Any]:
        mask = info.get(masks.NAME) if self.has_mask and isinstance(info, dict) else None
        return _lives_in(info) if mask is None else _lives_in(info) | {masks.NAME: mask}


def _lives_in(info: Any) -> dict[str, Any]:
    lives: Any = info.get("lives") if isinstance(info, dict) else None
    is_number = isinstance(lives, int | float | np.number) and not isinstance(lives, bool)
    return {"lives": int(lives)} if is_number and np.isfinite(lives) else {"lives": 0}
