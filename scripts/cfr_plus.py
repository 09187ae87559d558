"""Run CFR+ on small games of poker: the reference for what is learned by play. Extra openspiel.

python scripts/cfr_plus.py kuhn_poker leduc_poker --iterations 1000 --out docs/results/cfr_plus.json

Written is the NashConv of the average policy against iterations, each of which goes through the whole game, and that of
uniform play. scripts/draw_games.py draws it beside runs.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from triptych.envs.cfr_plus import SOLVED_GAMES, solve_by_cfr_plus
from triptych.provenance.code import write_measurement
from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a game or the number of iterations cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("games", nargs="+", metavar="GAME", help=" or ".join(SOLVED_GAMES))
    parser.add_argument("--iterations", type=whole_number(1), default=1000, help="of CFR+ (default: 1000)")
    parser.add_out()
    options = parser.parse_args(arguments)
    for game in options.games:
        if game not in SOLVED_GAMES:
            parser.error(f"{game} is not solved here; CFR+ runs on {' and '.join(SOLVED_GAMES)}.")
    return options


def solve(arguments: list[str]) -> None:
    """Solve, print and write JSON.

    Raises:
        ConfigurationError: a game cannot be solved.
    """
    options = parse_arguments(arguments)
    games = {}
    for name in options.games:
        found = solve_by_cfr_plus(name, options.iterations)
        games[name] = found._asdict()
        print(
            f"{name}: NashConv {found.nash_conv[-1]:.3g} after {options.iterations} iterations in "
            f"{found.seconds:.1f} s; of uniform play {found.uniform_nash_conv:.3g}",
            flush=True,
        )
    told = {"games": games, "open_spiel": version("open_spiel")}
    write_measurement(options.out, Path(__file__).name, arguments, told)


def main(arguments: list[str]) -> int:
    """Solve and return the exit code."""
    return exit_code_of(lambda: solve(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
