"""Play against a checkpoint, in the terminal or through a program that speaks GTP.

python scripts/play.py RUN_FOLDER                 you move first
python scripts/play.py RUN_FOLDER --second        the agent moves first
python scripts/play.py RUN_FOLDER --gtp           Go: commands on standard input, answers on standard output
"""

from __future__ import annotations

import argparse
import sys

from triptych.run.arguments import ScriptParser
from triptych.run.duel import Duel, Gtp, play_in_terminal
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.versus import CheckpointPlayer
from triptych.types import ConfigurationError


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = ScriptParser(__doc__)
    parser.add_run_folder()
    parser.add_argument("--second", action="store_true", help="let the agent move first")
    parser.add_argument("--gtp", action="store_true", help="speak GTP; for Go")
    parser.add_num_simulations()
    parser.add_seed(0, "what chance decides, such as cards")
    return parser.parse_args(arguments)


def play(arguments: list[str]) -> None:
    """Play in the terminal, or with a program that speaks GTP.

    Raises:
        ConfigurationError: the run cannot be played with, or not like this.
    """
    options = parse_arguments(arguments)
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
    quiet_lightning()
    return exit_code_of(lambda: play(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
