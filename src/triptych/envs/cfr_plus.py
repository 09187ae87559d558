"""What CFR+ comes to in a small game of OpenSpiel: the reference for what is learned by play.

CFR+ (Tammelin 2014, "Solving large imperfect information games using CFR+", arXiv 1407.5042) knows the rules and goes
through the whole game in each iteration. It is OpenSpiel's own.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from triptych.envs.positions import load_game

SOLVED_GAMES = ("kuhn_poker", "leduc_poker")
PLACES_PER_DECADE = 10


class CfrPlus(NamedTuple):
    """NashConv of the average policy after some of the iterations, of uniform play, and what the iterations took.

    Attributes:
        seconds: of all iterations, without the NashConvs.
    """

    uniform_nash_conv: float
    iterations: Sequence[int]
    nash_conv: Sequence[float]
    seconds: float


def places(num_iterations: int) -> list[int]:
    """Return the iterations after which NashConv is computed, evenly on a logarithmic axis; the last is one."""
    num_places = 1 + round(PLACES_PER_DECADE * np.log10(num_iterations))
    return sorted({*np.geomspace(1, num_iterations, num_places).round().astype(int).tolist(), num_iterations})


def solve_by_cfr_plus(id: str, num_iterations: int) -> CfrPlus:
    """Run CFR+ on one of `SOLVED_GAMES`.

    Raises:
        ConfigurationError: OpenSpiel is not installed.
    """
    game = load_game(id, {})
    pyspiel: Any = importlib.import_module("pyspiel")
    uniform_nash_conv = pyspiel.nash_conv(game, pyspiel.UniformRandomPolicy(game))
    solver = pyspiel.CFRPlusSolver(game)
    at, found, seconds = places(num_iterations), [], 0.0
    for iteration in range(1, num_iterations + 1):
        started = time.perf_counter()
        solver.evaluate_and_update_policy()
        seconds += time.perf_counter() - started
        if iteration in at:
            found.append(float(pyspiel.nash_conv(game, solver.average_policy())))
    return CfrPlus(float(uniform_nash_conv), at, found, seconds)
