"""What the arguments of a script may be, as types for argparse, which names the argument and ends with exit code 2."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path


def result_file(text: str) -> Path:
    """Read a file that can be written when the work is done.

    Raises:
        argparse.ArgumentTypeError: it is a folder, or lies below a file.
    """
    path = Path(text)
    above = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if path.is_dir() or above is None or not above.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not allowed: it takes a file in a folder.")
    return path


def whole_number(low: int, high: int = 10**12) -> Callable[[str], int]:
    """Return what reads a whole number from ``low`` to ``high``."""

    def read(text: str) -> int:
        value = int(text) if text.lstrip("-").isdecimal() else None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not allowed: it takes a whole number from {low} to {high:,}.")
        return value

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """Return what reads a number from ``low`` to ``high``."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # which no nan is
            raise argparse.ArgumentTypeError(f"{text} is not allowed: it takes a number from {low:g} to {high:g}.")
        return value

    return read
