"""A table of values as a picture: the values and greedy actions on a map, and how far they were from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from triptych.files import replacing

ARROW = 0.3  # of a cell, from its middle
LEAST_ERROR = 1e-7  # shown on a logarithmic axis; single precision knows less


class ValueMap(NamedTuple):
    """Cells of a grid: what `draw_values` shows of a table."""

    values: np.ndarray  # [rows, columns] of the best action
    greedy: np.ndarray  # [rows, columns, A] bool, the actions that are as good as the best
    is_drawn: np.ndarray  # [rows, columns] bool, an episode can come there
    is_terminal: np.ndarray  # [rows, columns] bool, an episode ends there
    moves: Sequence[tuple[int, int]]  # rows and columns of each action


def value_map(
    q_values: np.ndarray,
    is_reachable: np.ndarray,
    is_terminal: np.ndarray,
    grid_shape: tuple[int, int],
    moves: Sequence[tuple[int, int]],
) -> ValueMap:
    """Lay values ``[S, A]`` and what is known of the states ``[S]`` out on a grid, row by row."""
    values = q_values.max(axis=1)
    greedy = q_values == values[:, None]
    return ValueMap(
        values.reshape(grid_shape),
        greedy.reshape(*grid_shape, -1),
        is_reachable.reshape(grid_shape),
        is_terminal.reshape(grid_shape),
        moves,
    )


def draw_values(
    path: Path, cells: ValueMap | None, errors: Sequence[tuple[float, float]], title: str, goal: float | None = None
) -> None:
    """Draw the map, where the states are cells, and the errors, where they are known.

    Args:
        path: of the picture.
        cells: the map.
        errors: env steps and max |Q - Q*|, in order.
        title: of the picture.
        goal: an error to draw a line at.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parts = [part for part in (cells, errors) if part]
    shape = cells.values.shape if cells else (1, 1)
    widths = [max(4.5, 0.75 * shape[1])] * bool(cells) + [5.0] * bool(errors)
    size = (sum(widths), max(4.0, 0.75 * shape[0]))
    figure, found = pyplot.subplots(
        1, len(parts), figsize=size, width_ratios=widths, squeeze=False, layout="constrained"
    )
    axes = list(found[0])
    if cells:
        draw_map(axes.pop(0), cells)
    if errors:
        draw_errors(axes.pop(0), errors, goal)
    figure.suptitle(title, fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format=path.suffix[1:] or "png")
    pyplot.close(figure)


def draw_map(axes, cells: ValueMap) -> None:
    """Colour each cell by its value, write it there, and point an arrow along each greedy action."""
    is_valued = cells.is_drawn & ~cells.is_terminal
    shown = np.where(is_valued, cells.values, np.nan)
    axes.set_facecolor("dimgrey")  # walls, and what no episode comes to
    image = axes.imshow(shown, cmap="viridis")
    axes.figure.colorbar(image, ax=axes, label="max Q", shrink=0.8)
    low, high = np.nanmin(shown), np.nanmax(shown)
    for row, column in np.argwhere(cells.is_terminal):
        axes.add_patch(_square(row, column))
        axes.text(column, row, "end", ha="center", va="center", fontsize=8)
    for row, column in np.argwhere(is_valued):
        value = cells.values[row, column]
        colour = "black" if value > (low + high) / 2 else "white"
        axes.text(column, row + 0.4, f"{value:.2f}", ha="center", va="bottom", fontsize=7, color=colour)
        if cells.greedy[row, column].all():  # nothing is known there, or nothing matters
            continue
        for action in np.flatnonzero(cells.greedy[row, column]).tolist():
            down, right = (ARROW * step for step in cells.moves[action])
            axes.annotate(
                "", (column + right, row - 0.08 + down), (column, row - 0.08),
                arrowprops={"arrowstyle": "->", "color": colour},
            )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])


def draw_errors(axes, errors: Sequence[tuple[float, float]], goal: float | None) -> None:
    """Draw the error over env steps, on a logarithmic axis; 0 lies at its lower edge."""
    steps, values = zip(*errors, strict=True)
    axes.plot(steps, np.maximum(values, LEAST_ERROR), color="tab:blue", marker="." if len(errors) < 50 else None)
    if goal is not None:
        axes.axhline(goal, color="grey", linewidth=0.8, linestyle="--")
    axes.set_yscale("log")
    axes.set_xlabel("env steps")
    axes.set_ylabel("max |Q - Q*|")
    axes.grid(alpha=0.3)


def _square(row: int, column: int):
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor="grey")
