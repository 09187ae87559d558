"""Actions of several spaces at once, a Tuple or a Dict of them, as one flat row of numbers.

The row has first the options of all choices (Discrete, MultiDiscrete, MultiBinary), as whole numbers from 0, and behind
them all numbers of the Box parts, each in the order in which the parts stand in the space.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

Leaf = Discrete | MultiDiscrete | MultiBinary | Box


def leaves(space: gymnasium.Space) -> list[Any]:
    """Return the spaces of which a Tuple or Dict consists, those in nested ones in their place."""
    if isinstance(space, Tuple | Dict):
        parts = space.spaces.values() if isinstance(space, Dict) else space.spaces
        return [leaf for part in parts for leaf in leaves(part)]
    return [space]


def sizes_of(space: gymnasium.Space) -> tuple[int, ...]:
    """Return how many options each choice of a space has, flattened; a Box has none."""
    if isinstance(space, Tuple | Dict):
        return tuple(size for leaf in leaves(space) for size in sizes_of(leaf))
    if isinstance(space, Discrete):
        return (int(space.n),)
    if isinstance(space, MultiBinary):
        return (2,) * int(np.prod(space.shape))
    return tuple(int(size) for size in np.ravel(space.nvec)) if isinstance(space, MultiDiscrete) else ()


class FlatActions(gymnasium.ActionWrapper):
    """Takes flat rows ``[C + D]`` for the nested actions of an environment.

    Choices without numbers are MultiDiscrete, one choice alone is Discrete. Numbers are clipped to the bounds of their
    part and get its type.

    Args:
        env: whose actions are a Tuple or Dict of Discrete, MultiDiscrete, MultiBinary and Box, or one of these.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.action_space = flat_space(env.action_space)
        self.num_choices = len(sizes_of(env.action_space))

    def action(self, action: Any) -> Any:
        row = np.ravel(action)
        choices = np.rint(row[: self.num_choices]).astype(np.int64)
        return _nested(self.env.action_space, iter(choices), iter(row[self.num_choices :]))


def flat_space(space: gymnasium.Space) -> Discrete | MultiDiscrete | Box:
    """Return the space of rows; where there is nothing to choose, a Box of no numbers."""
    sizes = np.array(sizes_of(space), np.int64)
    boxes = [leaf for leaf in leaves(space) if isinstance(leaf, Box) and leaf.low.size]
    if len(sizes) and not boxes:
        return Discrete(int(sizes[0])) if len(sizes) == 1 else MultiDiscrete(sizes)
    low = np.concatenate([np.zeros(len(sizes)), *(np.ravel(box.low) for box in boxes)])
    high = np.concatenate([sizes - 1.0, *(np.ravel(box.high) for box in boxes)])
    return Box(low, high, dtype=np.float64)


def _nested(space: Any, choices: Iterator[np.int64], numbers: Iterator[Any]) -> Any:
    """Take from both what a space needs, in the form of its own samples."""
    if isinstance(space, Tuple):
        return tuple(_nested(part, choices, numbers) for part in space.spaces)
    if isinstance(space, Dict):
        return {key: _nested(part, choices, numbers) for key, part in space.spaces.items()}
    if isinstance(space, Discrete):
        return space.start + next(choices)
    if isinstance(space, Box):
        taken = np.array(list(islice(numbers, space.low.size))).reshape(space.shape)
        return np.asarray(np.clip(taken, space.low, space.high), space.dtype)
    options = np.array(list(islice(choices, len(sizes_of(space))))).reshape(space.shape)
    return (options + space.start if isinstance(space, MultiDiscrete) else options).astype(space.dtype)
