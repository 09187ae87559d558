"""Connect four solved: what a position is worth if both sides play perfectly, by alpha-beta search over bit boards.

Seven bits are a column, the lowest row first and one bit above the board empty, so that a shift by 1, 6, 7 or 8 moves
all pieces up, along a diagonal, to the right, or along the other diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import uint64

from triptych.compiled import compiled

ROWS, COLUMNS = 6, 7
HEIGHT = ROWS + 1  # bits of a column
BOTTOM = np.uint64(sum(1 << (HEIGHT * column) for column in range(COLUMNS)))
BOARD = np.uint64(sum(((1 << ROWS) - 1) << (HEIGHT * column) for column in range(COLUMNS)))
COLUMN_MASKS = np.array([((1 << ROWS) - 1) << (HEIGHT * column) for column in range(COLUMNS)], np.uint64)
ORDER = np.array([3, 2, 4, 1, 5, 0, 6], np.int64)  # columns in the middle are tried first: they take part in more fours
ONE = np.uint64(1)
MEMORY = 1 << 22  # positions that are remembered
LEAST_MOVES = 8  # before which solving takes minutes


@compiled()
def _completing(own: np.uint64, taken: np.uint64) -> np.uint64:
    """Return the empty cells with which ``own`` pieces would have four in a row."""
    cells = (own << ONE) & (own << uint64(2)) & (own << uint64(3))  # upwards
    for shift in (uint64(HEIGHT - 1), uint64(HEIGHT), uint64(HEIGHT + 1)):
        pair = (own << shift) & (own << (shift + shift))
        cells |= pair & (own << (shift + shift + shift))  # three before the cell
        cells |= pair & (own >> shift)  # two before, one after
        pair = (own >> shift) & (own >> (shift + shift))
        cells |= pair & (own << shift)
        cells |= pair & (own >> (shift + shift + shift))
    return cells & (BOARD ^ taken)


@compiled()
def _count(bits: np.uint64) -> int:
    count = 0
    while bits != uint64(0):
        bits &= bits - ONE
        count += 1
    return count


@compiled("int64(uint64, uint64, int64, int64, uint64[:], int8[:])")
def _search(own, taken, low, high, keys, bounds):  # type: ignore[no-untyped-def]
    """Return 1, 0 or -1 for the player with ``own`` pieces, who is to move; right between ``low`` and ``high``."""
    moves = (taken + BOTTOM) & BOARD
    if moves == uint64(0):
        return 0
    if _completing(own, taken) & moves:
        return 1
    other = own ^ taken
    dangers = _completing(other, taken)
    forced = dangers & moves
    if forced:
        if forced & (forced - ONE):
            return -1  # two fours cannot both be stopped
        moves = forced
    moves &= ~(dangers >> ONE)  # a piece below such a cell gives it away
    if moves == uint64(0):
        return -1
    key = own + taken
    slot = key % uint64(len(keys))
    if keys[slot] == key:
        least, most = bounds[slot] // 3 - 1, bounds[slot] % 3 - 1
        low, high = max(low, least), min(high, most)
        if low >= high:
            return low if least >= high else high
    first_low, best = low, -1
    tried = np.zeros(COLUMNS, np.bool_)
    for _ in range(COLUMNS):
        column, most_threats = -1, -1
        for candidate in ORDER:  # the move that makes the most threats
            if not tried[candidate] and moves & COLUMN_MASKS[candidate]:
                threats = _count(_completing(own | (moves & COLUMN_MASKS[candidate]), taken))
                if threats > most_threats:
                    column, most_threats = candidate, threats
        if column < 0:
            break
        tried[column] = True
        move = moves & COLUMN_MASKS[column]
        value = -_search(other, taken | move, -high, -low, keys, bounds)
        best = max(best, value)
        low = max(low, value)
        if low >= high:
            break
    least, most = (-1, best) if best <= first_low else (best, 1) if best >= high else (best, best)
    keys[slot], bounds[slot] = key, (least + 1) * 3 + most + 1
    return best


class ConnectFourSolver:
    """Values of positions, with a memory of what was found."""

    def __init__(self) -> None:
        self._keys, self._bounds = np.zeros(MEMORY, np.uint64), np.zeros(MEMORY, np.int8)

    def value(self, columns: Sequence[int]) -> int:
        """Return 1, 0 or -1 for the player to move after these columns were played, if the game is not over.

        Raises:
            ValueError: fewer than ``LEAST_MOVES`` were played.
        """
        if len(columns) < LEAST_MOVES:
            raise ValueError(f"positions after fewer than {LEAST_MOVES} moves take too long to solve")
        own, taken = _bits(columns)
        return int(_search(own, taken, -1, 1, self._keys, self._bounds))

    def best_columns(self, state: Any, columns: Sequence[int]) -> list[int]:
        """Return the columns that lose nothing; ``state`` is OpenSpiel's of the same position, not over."""
        player, values = state.current_player(), {}
        for column in state.legal_actions():
            child = state.child(column)
            over = child.is_terminal()
            values[column] = int(child.player_return(player)) if over else -self.value([*columns, column])
        best = max(values.values())
        return [column for column, value in values.items() if value == best]


def _bits(columns: Sequence[int]) -> tuple[np.uint64, np.uint64]:
    """Return the pieces of the player to move, and all pieces."""
    pieces, taken = [0, 0], 0
    for move, column in enumerate(columns):
        cell = (taken + (1 << (HEIGHT * column))) & (((1 << ROWS) - 1) << (HEIGHT * column))
        pieces[move % 2] |= cell
        taken |= cell
    return np.uint64(pieces[len(columns) % 2]), np.uint64(taken)
