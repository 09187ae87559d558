"""The command line of a script: what its arguments may be, and one sentence for what they may not."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from triptych.types import ConfigurationError
from triptych.types.bounds import MAX_SEED

PICTURES = (".png", ".pdf", ".svg")
MOST_SIMULATIONS = 1_000_000  # of a search for one move, which then takes minutes


class ScriptParser(argparse.ArgumentParser):
    """Reads the command line of a script.

    What it cannot use is a `ConfigurationError`, from which `exit_code_of` makes a sentence and exit code 2, as for the
    settings of a run. Scripts call `error` for what no type of one argument sees, such as two that exclude each other.

    Args:
        description: the script's docstring, which ``--help`` shows as it is written.
    """

    def __init__(self, description: str | None = None, **kwargs: Any) -> None:
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def add_run_folder(self, **kwargs: Any) -> None:
        """Take the folder of a run, whether its code is trusted, and which of its checkpoints is meant."""
        self.add_argument("run_folder", type=Path, **kwargs)
        self.add_argument(
            "--checkpoint", help="best (default), last (default where there is no best yet) or the path of a .ckpt file"
        )
        self.add_trust()

    def add_trust(self) -> None:
        """Take ``--trust``."""
        self.add_argument(
            "--trust", action="store_true", help="run what the folder's config names outside this package"
        )

    def add_num_simulations(self) -> None:
        """Take how many simulations a planner's search makes for a move."""
        self.add_argument("--num-simulations", type=simulations, help="of a planner's search (default: as in training)")

    def add_seed(self, default: int, of: str) -> None:
        """Take ``--seed``, of what ``of`` says."""
        self.add_argument(
            "--seed", type=whole_number(0, MAX_SEED), default=default, help=f"of {of} (default: {default})"
        )

    def add_out(self, **kwargs: Any) -> None:
        """Take ``--out``, a JSON file for what was found."""
        self.add_argument("--out", type=result_file, metavar="FILE", help="JSON file for what was found", **kwargs)

    def error(self, message: str) -> NoReturn:
        """Say in one sentence what is wrong.

        Raises:
            ConfigurationError: always.
        """
        name, colon, reason = message.removeprefix("argument ").partition(": ")
        if message.startswith("argument ") and colon:
            message = f"{name} {reason}" if "is not allowed" in reason else f"{name}: {reason}"
        raise ConfigurationError(message if message.endswith(".") else f"{message}; --help says what there is.")


def result_file(text: str) -> Path:
    """Read a file that can be written when the work is done.

    Raises:
        argparse.ArgumentTypeError: it is a folder, or lies below a file.
    """
    path = Path(text)
    if path.is_dir() or not _nearest(path.absolute().parent).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not allowed: it takes a file in a folder.")
    return path


def picture_file(text: str) -> Path:
    """Read a file that can be written and whose name says what kind of picture it is.

    Raises:
        argparse.ArgumentTypeError: it says nothing, or it cannot be written.
    """
    path = result_file(text)
    if path.suffix not in PICTURES:
        raise argparse.ArgumentTypeError(f"{text} is not allowed: it takes a file that ends in {', '.join(PICTURES)}.")
    return path


def folder_to_fill(text: str) -> Path:
    """Read a folder that exists or can be made.

    Raises:
        argparse.ArgumentTypeError: it is a file, or lies below one.
    """
    path = Path(text)
    if not _nearest(path.absolute()).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not allowed: it takes a folder.")
    return path


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest above it, that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def whole_number(low: int, high: int = 10**12) -> Callable[[str], int]:
    """Return what reads a whole number from ``low`` to ``high``."""

    def read(text: str) -> int:
        value = int(text) if re.fullmatch(r"-?[0-9]{1,20}", text) else None
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


simulations = whole_number(0, MOST_SIMULATIONS)  # of a planner's search; 0 plays its network alone
