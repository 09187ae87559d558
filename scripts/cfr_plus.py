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
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a game or the number of iterations cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games", nargs="+", metavar="GAME", help=" or ".join(SOLVED_GAMES))
    parser.add_argument("--iterations", type=int, default=1000, help="of CFR+ (default: 1000)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON file for what was found")
    options = parser.parse_args(arguments)
    for game in options.games:
        if game not in SOLVED_GAMES:
            raise ConfigurationError(f"{game} is not solved here; CFR+ runs on {' and '.join(SOLVED_GAMES)}.")
    if options.iterations < 1:
        raise ConfigurationError(f"--iterations {options.iterations} is not allowed: it takes 1 or more.")
    if options.out is not None and (options.out.is_dir() or not options.out.resolve().parent.is_dir()):
        raise ConfigurationError(f"--out {options.out} is not allowed: it takes a file in a folder that exists.")
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
