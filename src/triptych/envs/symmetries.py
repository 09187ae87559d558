"""Ways to turn and mirror a board after which the game is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from triptych.types import BoardSymmetries, ConfigurationError

Group = Literal["none", "mirror", "square"]


def make_symmetries(group: Group, board_shape: Sequence[int], num_actions: int) -> BoardSymmetries | None:
    """Return the symmetries of a board; an action is a cell, row by row, or a column, or else stays what it is.

    Args:
        group: ``mirror`` exchanges left and right, ``square`` are all eight ways to turn and mirror a square.
        board_shape: rows and columns; empty where there is no board.

    Raises:
        ConfigurationError: there is no board, it is no square, or it has too few actions.
    """
    if group == "none":
        return None
    if len(board_shape) != 2:
        raise ConfigurationError(f"env.symmetries={group} is for boards, and this game has none; leave it none.")
    rows, columns = board_shape
    board = np.arange(rows * columns).reshape(rows, columns)
    if group == "mirror":
        boards = [board, board[:, ::-1]]
    else:
        if rows != columns:
            raise ConfigurationError(f"env.symmetries=square is for square boards, and this one is {rows} x {columns}.")
        turned = [np.rot90(board, count) for count in range(4)]
        boards = turned + [one[:, ::-1] for one in turned]
    cells = np.stack([one.ravel() for one in boards]).astype(np.int64)
    actions = np.tile(np.arange(num_actions), (len(boards), 1))
    if num_actions >= rows * columns:
        actions[:, : rows * columns] = cells
    elif group == "mirror" and num_actions == columns:
        actions[1] = actions[0, ::-1]
    else:
        raise ConfigurationError(
            f"env.symmetries={group} is for games in which an action is a cell or a column, and this one has "
            f"{num_actions} actions on {rows} x {columns} cells; use env.symmetries=none."
        )
    return BoardSymmetries(cells, actions)
