"""What an environment may tell of itself beside its shapes: a model, rules, goals, parts of observations, boards."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np


class TableModel(NamedTuple):
    """How an environment with numbered states goes on, as it says of itself: to measure what was learned by.

    A grid shows its states as cells, row by row; ``moves`` has the step in rows and columns of each action, down and
    right being positive.
    """

    transition: np.ndarray  # [S, A, S] float64, probabilities
    reward: np.ndarray  # [S, A] float64, expected
    is_terminal: np.ndarray  # [S] bool, an episode ends there
    is_reachable: np.ndarray  # [S] bool, an episode can come there
    grid_shape: tuple[int, int] | None = None  # rows and columns; ``None`` where the states are no cells
    moves: tuple[tuple[int, int], ...] = ()  # [A], of a grid


class ObservationParts(NamedTuple):
    """What the numbers of a flat observation are, one after the other; arrays and tensors ``[..., size]`` alike.

    First what is seen; then, where there is a mask, a 1 for each action that is allowed now and a 0 for each that is
    not; then, where there is a history, the actions of the game so far, each plus one, and zeros up to its length;
    last, where there is a seat, the number of the player who is to move.
    """

    seen_shape: tuple[int, ...]  # of what a network sees, (C, H, W) for planes
    num_masked: int = 0  # actions in the mask, 0 where there is none
    history_length: int = 0  # actions that a history has room for
    has_seat: bool = False

    @property
    def size(self) -> int:
        """Numbers in one observation."""
        return math.prod(self.seen_shape) + self.num_masked + self.history_length + self.has_seat

    def seen(self, observation: Any) -> Any:
        """Return what a network sees, ``[..., *seen_shape]``."""
        flat = observation[..., : math.prod(self.seen_shape)]
        return flat.reshape(*observation.shape[:-1], *self.seen_shape)

    def legal_actions(self, observation: Any) -> Any:
        """Return which actions are allowed, ``[..., A]`` bool."""
        begin = math.prod(self.seen_shape)
        return observation[..., begin : begin + self.num_masked] > 0

    def history(self, observation: Any) -> list[int]:
        """Return the actions so far of one observation ``[size]``."""
        begin = math.prod(self.seen_shape) + self.num_masked
        numbers = observation[begin : begin + self.history_length].tolist()
        return [int(number) - 1 for number in numbers if number > 0]

    def seat(self, observation: Any) -> Any:
        """Return who is to move, ``[...]``: 0 for the player who moves first in a game, 1 for the other."""
        return observation[..., -1]


class BoardSymmetries(NamedTuple):
    """G ways to turn and mirror a board after which the game is the same, the first of them nothing at all.

    After way g, cell i shows what was in cell ``cells[g, i]``, and action i does what ``actions[g, i]`` did.
    """

    cells: np.ndarray  # [G, H · W] int64
    actions: np.ndarray  # [G, A] int64


class ActionCells(NamedTuple):
    """Where on a picture of a board its actions are: of each the row and the column of its cell, from the upper left.

    ``None`` of an action that is no cell, such as a pass.
    """

    rows: int
    columns: int
    cells: tuple[tuple[int, int] | None, ...]  # [A]


class Outcome(NamedTuple):
    """What came of B moves by the rules of a game."""

    positions: np.ndarray  # [B] int64, numbers of the new positions
    observation: np.ndarray  # [B, *observation_shape], for whoever is to move there
    reward: np.ndarray  # [B] float32, to the player who moved
    is_terminal: np.ndarray  # [B] bool
    turn_passes: np.ndarray  # [B] bool, the opponent is to move there


class Rules(Protocol):
    """The true rules of a game, to plan with: positions, by numbers, and the moves between them."""

    def set_up(self, observation: np.ndarray) -> np.ndarray:
        """Forget all positions and return the numbers ``[B]`` of those that the observations ``[B, ...]`` show."""
        ...

    def play(self, positions: np.ndarray, actions: np.ndarray) -> Outcome:
        """Make moves ``[B]`` in positions ``[B]``, which stay as they are.

        A position that is over stays over, worth nothing; a move that is not allowed loses the game.
        """
        ...


class GoalRule(NamedTuple):
    """Where an environment shows a goal to reach and the one that is reached, and what reaching it is worth.

    Goals are rows of G numbers of the vector that an observation is. A reward depends on the goal that is reached
    after the step and on the one to reach, and on nothing else.
    """

    achieved: slice  # the goal that is reached, of the vector
    desired: slice  # the goal to reach
    reward: Callable[[np.ndarray, np.ndarray], np.ndarray]  # achieved [B, G], desired [B, G] -> [B] float32
    # Likewise: whether the episode ends there, as 0 or 1. ``None`` where that is not known: as it was played.
    is_terminal: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
