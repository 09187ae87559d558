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
    bounds = [bounds_of(leaf) for leaf in leaves(space) if isinstance(leaf, Box) and leaf.low.size]
    if len(sizes) and not bounds:
        return Discrete(int(sizes[0])) if len(sizes) == 1 else MultiDiscrete(sizes)
    low = np.concatenate([np.zeros(len(sizes)), *(low for low, _ in bounds)])
    high = np.concatenate([sizes - 1.0, *(high for _, high in bounds)])
    return Box(low, high, dtype=np.float64)


def bounds_of(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest numbers that are played as numbers of a Box, flat.

    Whole numbers are rounded to, so that the range goes half a number beyond each end: all are as wide.
    """
    low, high = (np.ravel(bound).astype(np.float64) for bound in (box.low, box.high))
    beyond = 0.0 if box.dtype.kind == "f" else 0.5
    return low - beyond, high + beyond


def as_numbers_of(box: Box, numbers: np.ndarray) -> np.ndarray:
    """Return numbers ``[..., *box.shape]`` clipped to the bounds of a Box and in its type, whole ones rounded."""
    rounded = numbers if box.dtype.kind == "f" else np.rint(numbers)
    low, high = (bound if box.dtype.kind == "f" else bound.astype(np.float64) for bound in (box.low, box.high))
    return np.clip(rounded, low, high).astype(box.dtype)


def _nested(space: Any, choices: Iterator[np.int64], numbers: Iterator[Any]) -> Any:
    """Take from both what a space needs, in the form of its own samples."""
    if isinstance(space, Tuple):
        return tuple(_nested(part, choices, numbers) for part in space.spaces)
    if isinstance(space, Dict):
        return {key: _nested(part, choices, numbers) for key, part in space.spaces.items()}
    if isinstance(space, Discrete):
        return space.dtype.type(space.start + next(choices))
    if isinstance(space, Box):
        taken = np.array(list(islice(numbers, space.low.size))).reshape(space.shape)
        return np.asarray(as_numbers_of(space, taken))
    options = np.array(list(islice(choices, len(sizes_of(space))))).reshape(space.shape)
    return (options + space.start if isinstance(space, MultiDiscrete) else options).astype(space.dtype)
