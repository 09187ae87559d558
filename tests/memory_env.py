"""A corridor whose end asks for what its beginning has shown: nobody can know without a memory."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

LENGTH = 6  # env steps of an episode; the last action must be the side that the first observation showed


class Cue(gymnasium.Env):
    """Shows a side once, then the same corridor; the last action earns 1 where it is that side, -1 where it is not.

    An observation says left, right, and whether this is the end: as a vector ``[3]``, or as squares of a picture.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  (Gymnasium's own form)
    action_space = Discrete(2)

    def __init__(self, pixels: bool = False, render_mode: str | None = None) -> None:
        self.pixels, self.render_mode = pixels, render_mode
        self.observation_space = Box(0, 255, (10, 10, 1), np.uint8) if pixels else Box(0.0, 1.0, (3,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.side = 0, int(self.np_random.integers(2))
        return self._show(), {}

    def step(self, action):
        self.time += 1
        is_over = self.time == LENGTH
        reward = (1.0 if action == self.side else -1.0) if is_over else 0.0
        return self._show(), reward, is_over, False, {}

    def _show(self):
        shown = np.array([self.time == 0 and self.side == side for side in range(2)] + [self.time == LENGTH - 1])
        if not self.pixels:
            return shown.astype(np.float32)
        picture = np.zeros((10, 10, 1), np.uint8)
        for place, is_on in enumerate(shown):
            picture[3 * place : 3 * place + 3, :5] = 255 * is_on
        return picture

    def render(self):
        return np.full((20, 20, 3), 40 * self.time, np.uint8)


gymnasium.register("Cue-v0", Cue)
gymnasium.register("CuePixels-v0", Cue, kwargs={"pixels": True})
