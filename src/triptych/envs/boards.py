"""Pictures of positions in board and card games."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

CELL = 48  # pixels
BOARD, LINE = (214, 175, 112), (120, 90, 50)
PIECES = ((20, 20, 20), (245, 245, 240))  # of the first and the second player
INK, PAPER = (30, 30, 30), (250, 248, 240)


def draw_position(
    game: Any, state: Any, player_planes: tuple[int, int] | None, history: Sequence[int]
) -> np.ndarray:
    """Return a picture ``[H, W, 3]`` uint8: pieces on a board where their planes are known, else the position as text.

    The move made last has a red mark, where a move is a cell or a column of the board.
    """
    if player_planes is None or len(game.observation_tensor_shape()) != 3:
        return draw_text(str(state))
    planes = np.reshape(state.observation_tensor(0), game.observation_tensor_shape())
    first, second = planes[player_planes[0]] > 0, planes[player_planes[1]] > 0
    is_upside_down = game.num_distinct_actions() < first.size  # columns into which pieces fall: row 0 is the lowest
    if is_upside_down:
        first, second = first[::-1], second[::-1]
    marked = None
    if history:
        rows, columns = first.shape
        action = history[-1]
        if is_upside_down and action < columns:
            filled = np.flatnonzero((first | second)[:, action])
            marked = (int(filled[0]), action) if len(filled) else None
        elif not is_upside_down and action < rows * columns:
            marked = divmod(action, columns)
    return draw_board(first, second, marked)


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
