"""Play against a checkpoint, in the terminal or through a program that speaks GTP.

python scripts/play.py RUN_FOLDER                 you move first
python scripts/play.py RUN_FOLDER --second        the agent moves first
python scripts/play.py RUN_FOLDER --gtp           Go: commands on standard input, answers on standard output
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from triptych.run.duel import Duel, Gtp, play_in_terminal
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.versus import MOST_SIMULATIONS, CheckpointPlayer
from triptych.types import ConfigurationError
from triptych.types.bounds import MAX_SEED


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", type=Path)
    parser.add_argument(
        "--checkpoint", help="best (default), last (default where there is no best yet) or the path of a .ckpt file"
    )
    parser.add_argument("--second", action="store_true", help="let the agent move first")
    parser.add_argument("--gtp", action="store_true", help="speak GTP; for Go")
    parser.add_argument("--num-simulations", type=int, help="of a planner's search (default: as in training)")
    parser.add_argument("--seed", type=int, default=0, help="of what chance decides, such as cards (default: 0)")
    parser.add_argument("--trust", action="store_true", help="run what the folder's config names outside this package")
    return parser.parse_args(arguments)


def play(options: argparse.Namespace) -> None:
    """Play in the terminal, or with a program that speaks GTP.

    Raises:
        ConfigurationError: the run cannot be played with, or not like this.
    """
    for name, value, most in (
        ("seed", options.seed, MAX_SEED),
        ("num-simulations", options.num_simulations or 0, MOST_SIMULATIONS),
    ):
        if not 0 <= value <= most:
            raise ConfigurationError(f"--{name} {value} is not allowed: it takes from 0 to {most:,}.")
    player = CheckpointPlayer(options.run_folder, options.checkpoint, options.num_simulations, options.trust)
    duel = Duel(player, options.seed)
    if not options.gtp:
        play_in_terminal(duel, seat=int(options.second))
        return
    if duel.game.game.get_type().short_name != "go":
        raise ConfigurationError(f"--gtp is for Go, and this run is on {player.spec.name}; leave it out.")
    gtp = Gtp(duel)
    for line in sys.stdin:
        print(gtp.answer(line), end="", flush=True)
        if gtp.is_done:
            break


def main(arguments: list[str]) -> int:
    """Play and return the exit code."""
    options = parse_arguments(arguments)
    quiet_lightning()
    return exit_code_of(lambda: play(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
