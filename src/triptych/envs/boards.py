"""Pictures of positions in board and card games."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from triptych.types import ActionCells

CELL = 48  # pixels
BOARD, LINE = (214, 175, 112), (120, 90, 50)
PIECES = ((20, 20, 20), (245, 245, 240))  # of the first and the second player
INK, PAPER = (30, 30, 30), (250, 248, 240)


def cells_of_actions(game: Any, player_planes: tuple[int, int] | None) -> ActionCells | None:
    """Return where moves are on the picture of a board; a column into which pieces fall has its uppermost cell.

    ``None`` where positions are drawn as text, or moves are no cells.
    """
    if player_planes is None or len(game.observation_tensor_shape()) != 3:
        return None
    _, rows, columns = game.observation_tensor_shape()
    num_actions = game.num_distinct_actions()
    if _has_columns(game):
        return ActionCells(rows, columns, tuple((0, column) for column in range(columns)))
    if num_actions not in (rows * columns, rows * columns + 1):  # the last one is a pass
        return None
    cells = [divmod(action, columns) for action in range(rows * columns)]
    if _is_upside_down(game):
        cells = [(rows - 1 - row, column) for row, column in cells]
    return ActionCells(rows, columns, (*cells, *[None] * (num_actions - len(cells))))


def draw_position(game: Any, state: Any, player_planes: tuple[int, int] | None, history: Sequence[int]) -> np.ndarray:
    """Return a picture ``[H, W, 3]`` uint8: pieces on a board where their planes are known, else the position as text.

    The move made last has a red mark, where a move is a cell or a column of the board.
    """
    if player_planes is None or len(game.observation_tensor_shape()) != 3:
        return draw_text(str(state))
    planes = np.reshape(state.observation_tensor(0), game.observation_tensor_shape())
    first, second = planes[player_planes[0]] > 0, planes[player_planes[1]] > 0
    if _is_upside_down(game):
        first, second = first[::-1], second[::-1]
    actions = cells_of_actions(game, player_planes)
    marked = actions.cells[history[-1]] if actions is not None and history else None
    if marked is not None and _has_columns(game):  # where the piece has fallen to
        filled = np.flatnonzero((first | second)[:, marked[1]])
        marked = (int(filled[0]), marked[1]) if len(filled) else None
    return draw_board(first, second, marked)


def _has_columns(game: Any) -> bool:
    """Whether a move is a column into which a piece falls."""
    return game.num_distinct_actions() == game.observation_tensor_shape()[-1]


def _is_upside_down(game: Any) -> bool:
    """Whether row 0 of the planes is the lowest of the board."""
    return _has_columns(game) or game.get_type().short_name == "go"  # whose first point, a1, is the lower left one


def draw_board(first: np.ndarray, second: np.ndarray, marked: tuple[int, int] | None = None) -> np.ndarray:
    """Draw the pieces ``[rows, columns]`` bool of two players, and a mark on one cell."""
    from PIL import Image, ImageDraw  # where a picture is drawn, and only there

    rows, columns = first.shape
    picture = Image.new("RGB", (columns * CELL, rows * CELL), BOARD)
    draw = ImageDraw.Draw(picture)
    for row in range(rows + 1):
        draw.line([(0, row * CELL), (columns * CELL, row * CELL)], LINE)
    for column in range(columns + 1):
        draw.line([(column * CELL, 0), (column * CELL, rows * CELL)], LINE)
    for pieces, colour in zip((first, second), PIECES, strict=True):
        for row, column in np.argwhere(pieces).tolist():
            left, top = column * CELL, row * CELL
            draw.ellipse([left + 5, top + 5, left + CELL - 5, top + CELL - 5], colour, LINE)
    if marked is not None:
        x, y = marked[1] * CELL + CELL // 2, marked[0] * CELL + CELL // 2
        draw.ellipse([x - 6, y - 6, x + 6, y + 6], (210, 40, 40))
    return np.asarray(picture)


def draw_text(text: str, width: int = 360, height: int = 240) -> np.ndarray:
    """Draw lines of text as large as they fit."""
    from PIL import Image, ImageDraw, ImageFont  # where a picture is drawn, and only there

    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    for size in (20, 16, 13, 11, 9, 7):
        font = ImageFont.load_default(size)
        box = draw.multiline_textbbox((10, 10), text, font)
        if box[2] <= width - 10 and box[3] <= height - 10:
            break
    draw.multiline_text((10, 10), text, INK, font)
    return np.asarray(picture)
