"""A corridor of ten cells with a prize at its end."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete


class Corridor(gymnasium.Env):
    """Go left or right; the right end pays 1 and ends the episode, each step costs 0.01."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(self, length: int = 10, render_mode: str | None = None) -> None:
        self.length, self.render_mode = length, render_mode
        self.observation_space, self.action_space = Discrete(length), Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.cell = int(self.np_random.integers(self.length - 1))
        return self.cell, {}

    def step(self, action: int):
        self.cell = max(self.cell + (1 if action else -1), 0)
        is_at_end = self.cell == self.length - 1
        return self.cell, 1.0 if is_at_end else -0.01, is_at_end, False, {}

    def render(self) -> np.ndarray:
        picture = np.zeros((32, 32 * self.length, 3), np.uint8)
        picture[:, 32 * self.cell : 32 * (self.cell + 1)] = 255
        return picture


gymnasium.register("Corridor-v0", entry_point=Corridor, max_episode_steps=100)
