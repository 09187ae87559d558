"""MiniGrid's partial view (Chevalier-Boisvert et al. 2023) in forms that a network can learn from."""

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
        width, height = view_shape(self)
        self.observation_space = Box(0.0, 1.0, (width * height * sum(CELL_SIZES) + len(DIR_TO_VEC),), np.float32)

    def observation(self, observation: dict[str, Any]) -> np.ndarray:
        direction = one_hot(np.asarray(observation["direction"]), len(DIR_TO_VEC))
        return np.concatenate([one_hot_cells(observation["image"]).ravel(), direction])


class RememberedMap(gymnasium.ObservationWrapper):
    """Show all that was seen of the labyrinth in this episode, with the player in the middle and facing up.

    As four stacked frames remember motion for a network without memory, so this remembers places. The partial view is
    drawn into a map at every step (where the player stands is asked of the environment, not inferred), from which a
    square of ``2 · radius + 1`` cells is shown. A channel for each kind of object, colour and state of a door is 255
    where a cell is of that kind and 0 elsewhere: ``[20, 19, 19]`` uint8 with the default radius. A cell that was never
    seen is 0 in all of them, and an empty one has neither colour nor state.

    Args:
        env: with MiniGrid's own observations.
        radius: how far it is shown, in cells.
    """

    def __init__(self, env: gymnasium.Env, radius: int = 9) -> None:
        super().__init__(env)
        width, height = view_shape(self)
        self.radius, size = radius, 2 * radius + 1
        self.observation_space = Box(0, 255, (sum(CELL_SIZES), size, size), np.uint8)
        self._margin = max(radius, width, height)  # around the map, for what is shown or seen beyond its walls
        self._right_of_player = np.arange(width)[:, None, None] - width // 2  # of each cell of the view
        self._ahead_of_player = np.arange(height)[::-1, None]
        labyrinth: Any = env.unwrapped
        self._map_shape = (labyrinth.width + 2 * self._margin, labyrinth.height + 2 * self._margin, sum(CELL_SIZES))

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        self._map = np.zeros(self._map_shape, np.uint8)
        return super().reset(**kwargs)

    def observation(self, observation: dict[str, Any]) -> np.ndarray:
        labyrinth: Any = self.unwrapped
        player, ahead = np.array(labyrinth.agent_pos) + self._margin, np.array(labyrinth.dir_vec)
        right = np.array([-ahead[1], ahead[0]])  # y points down
        view = observation["image"]  # [7, 7, 3], the player at the middle of its last column
        is_seen = view[..., 0] != OBJECT_TO_IDX["unseen"]
        x, y = (player + self._right_of_player * right + self._ahead_of_player * ahead)[is_seen].T
        cells = one_hot_cells(view[is_seen])
        cells[view[is_seen][:, 0] == OBJECT_TO_IDX["empty"], CELL_SIZES[0] :] = 0
        self._map[x, y] = 255 * cells
        (left, top), size = player - self.radius, 2 * self.radius + 1
        shown = self._map[left : left + size, top : top + size].T  # [20, rows, columns], north up
        return np.ascontiguousarray(np.rot90(shown, labyrinth.agent_dir + 1, axes=(1, 2)))


def view_shape(env: gymnasium.Wrapper) -> tuple[int, int]:
    """Return the width and the height of MiniGrid's partial view.

    Raises:
        TypeError: the observations are not MiniGrid's own.
    """
    space = env.env.observation_space
    if not isinstance(space, gymnasium.spaces.Dict) or not {"image", "direction"} <= space.keys():
        raise TypeError(f"{type(env).__name__} needs MiniGrid's own observations, not {space}")
    width, height, _ = space["image"].shape or ()
    return width, height


def one_hot_cells(cells: np.ndarray) -> np.ndarray:
    """Turn the category numbers ``[..., 3]`` of cells into zeros and ones ``[..., 20]``."""
    return np.concatenate([one_hot(cells[..., part], size) for part, size in enumerate(CELL_SIZES)], axis=-1)


def one_hot(categories: np.ndarray, size: int) -> np.ndarray:
    """Turn whole numbers ``[...]`` below ``size`` into zeros and ones ``[..., size]``."""
    return np.eye(size, dtype=np.float32)[categories]
