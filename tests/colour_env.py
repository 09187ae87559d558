"""Pictures of 72 x 96 in colour: a bar whose place says which action pays."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete


class Colour(gymnasium.Env):
    """Eight steps; action k pays while the bar is in the k-th third of the picture."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  (Gymnasium's own form)
    observation_space = Box(0, 255, (72, 96, 3), np.uint8)
    action_space = Discrete(3)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._time = 0
        return self._next(), {}

    def step(self, action):
        reward = float(action == self._third)
        self._time += 1
        return self._next(), reward, self._time == 8, False, {}

    def _next(self):
        self._third = int(self.np_random.integers(3))
        return self.render()

    def render(self):
        picture = np.zeros((72, 96, 3), np.uint8)
        picture[20:50, 32 * self._third + 8 : 32 * self._third + 24, self._time % 3] = 255
        return picture


gymnasium.register("Colour-v0", entry_point=Colour)
