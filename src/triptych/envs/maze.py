"""The Dyna maze (Sutton & Barto 2018, figure 8.2): 47 cells among walls, and one way to be rewarded."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete

LAYOUT = (
    ".......#G",
    "..#....#.",
    "S.#....#.",
    "..#......",
    ".....#...",
    ".........",
)
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left, in rows and columns
CELL_PIXELS = 16
COLOURS = {".": (255, 255, 255), "S": (190, 215, 255), "G": (140, 210, 140), "#": (110, 110, 110)}
PLAYER = (200, 30, 30)


class Maze(gymnasium.Env):
    """Walk from ``S`` to ``G``; a step into a wall or over the edge leaves the player where it is.

    An observation is the number of the player's cell, counted row by row, walls included. The reward is 1 for the step
    that reaches the goal, where the episode ends, and 0 otherwise; the shortest ways take 14 steps.

    ``P`` is the model in the form of Gymnasium's own tables: ``P[state][action]`` lists (probability, next state,
    reward, whether the episode ends).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.cells = np.array([list(row) for row in LAYOUT])
        self.observation_space, self.action_space = Discrete(self.cells.size), Discrete(len(MOVES))
        self.initial_state_distrib = (self.cells == "S").ravel().astype(np.float64)
        self.P = {
            state: {action: [self._outcome(state, action)] for action in range(len(MOVES))}
            for state in range(self.cells.size)
        }
        self._start = self._state = int(self.initial_state_distrib.argmax())

    def _outcome(self, state: int, action: int) -> tuple[float, int, float, bool]:
        row, column = np.array(np.unravel_index(state, self.cells.shape)) + MOVES[action]
        is_inside = 0 <= row < self.cells.shape[0] and 0 <= column < self.cells.shape[1]
        if self.cells.flat[state] == "G":
            return 1.0, state, 0.0, True
        if not is_inside or self.cells[row, column] == "#":
            return 1.0, state, 0.0, False
        is_goal = bool(self.cells[row, column] == "G")
        return 1.0, int(row * self.cells.shape[1] + column), float(is_goal), is_goal

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self._state = self._start
        return self._state, {}

    def step(self, action: int):
        _, self._state, reward, terminated = self.P[self._state][int(action)][0]
        return self._state, reward, terminated, False, {}

    def render(self) -> np.ndarray:
        picture = np.array([[COLOURS[cell] for cell in row] for row in self.cells.tolist()], np.uint8)
        picture[np.unravel_index(self._state, self.cells.shape)] = PLAYER
        return picture.repeat(CELL_PIXELS, axis=0).repeat(CELL_PIXELS, axis=1)


gymnasium.register("Maze-v0", entry_point="triptych.envs.maze:Maze")
