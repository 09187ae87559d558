"""Catch (Mnih et al. 2014, section 4; bsuite): a ball falls, a paddle moves; small enough to learn in seconds."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

BALL_AND_PADDLE = np.uint8(255)


class Catch(gymnasium.Env):
    """One ball falls from the top row; the paddle on the bottom row moves left, stays or moves right.

    An observation is one frame, ``[rows, columns]`` uint8. The reward comes with the last step: 1 if the ball
    was caught, else -1. An episode takes ``rows - 1`` steps.
    """

    actions = IntEnum("actions", ("left", "stay", "right"), start=0)  # by their names, as MiniGrid has them
    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(self, rows: int = 10, columns: int = 10, render_mode: str | None = None) -> None:
        self.rows, self.columns, self.render_mode = rows, columns, render_mode
        self.observation_space = Box(0, 255, (rows, columns), np.uint8)
        self.action_space = Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self._ball_row, self._ball_column = 0, int(self.np_random.integers(self.columns))
        self._paddle_column = self.columns // 2
        return self._draw(), {}

    def step(self, action: int):
        self._paddle_column = int(np.clip(self._paddle_column + int(action) - 1, 0, self.columns - 1))
        self._ball_row += 1
        terminated = self._ball_row == self.rows - 1
        is_caught = self._ball_column == self._paddle_column
        reward = (1.0 if is_caught else -1.0) if terminated else 0.0
        return self._draw(), reward, terminated, False, {}

    def _draw(self) -> np.ndarray:
        frame = np.zeros((self.rows, self.columns), np.uint8)
        frame[self._ball_row, self._ball_column] = BALL_AND_PADDLE
        frame[-1, self._paddle_column] = BALL_AND_PADDLE
        return frame

    def render(self) -> np.ndarray:
        return np.repeat(np.kron(self._draw(), np.ones((16, 16), np.uint8))[..., None], 3, axis=-1)


gymnasium.register("Catch-v0", entry_point="triptych.envs.catch:Catch")
