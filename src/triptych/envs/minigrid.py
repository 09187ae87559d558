"""MiniGrid's partial view (Chevalier-Boisvert et al. 2023) as a vector that a network can learn from."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from minigrid.core.constants import COLOR_TO_IDX, DIR_TO_VEC, OBJECT_TO_IDX, STATE_TO_IDX

# What the three numbers of a cell count: kinds of objects, colours, states of a door.
CELL_SIZES = (len(OBJECT_TO_IDX), len(COLOR_TO_IDX), len(STATE_TO_IDX))


class OneHotView(gymnasium.ObservationWrapper):
    """Show every cell of the partial view and the compass direction as zeros and ones.

    A cell is three category numbers (object, colour, state), not three intensities, so each becomes a one-hot
    vector: 11 + 6 + 3 = 20 numbers for a cell, cells in the order of the ``[7, 7, 3]`` view, and 4 for the direction
    behind them: ``[984]`` float32. The mission is left out; it is the same in every episode of the labyrinths.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, gymnasium.spaces.Dict) or not {"image", "direction"} <= space.keys():
            raise TypeError(f"OneHotView needs MiniGrid's own observations, not {space}")
        width, height, _ = space["image"].shape or ()
        self.observation_space = Box(0.0, 1.0, (width * height * sum(CELL_SIZES) + len(DIR_TO_VEC),), np.float32)

    def observation(self, observation: dict[str, Any]) -> np.ndarray:
        image = observation["image"]  # [7, 7, 3]
        cells = [one_hot(image[..., channel], size) for channel, size in enumerate(CELL_SIZES)]
        direction = one_hot(np.asarray(observation["direction"]), len(DIR_TO_VEC))
        return np.concatenate([np.concatenate(cells, axis=-1).ravel(), direction])


def one_hot(categories: np.ndarray, size: int) -> np.ndarray:
    """Turn whole numbers ``[...]`` below ``size`` into zeros and ones ``[..., size]``."""
    return np.eye(size, dtype=np.float32)[categories]
