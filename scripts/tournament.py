"""Let a run's checkpoints play: against opponents, and against each other for Elo ratings.

python scripts/tournament.py RUN_FOLDER --against random search:100 --games 200
python scripts/tournament.py RUN_FOLDER --each-other --games 40 --out elo.json

Opponents are random, search:<simulations> (a tree search with random games), perfect (small games) and gnugo:<level>
(Go, where GNU Go is installed). Ratings are of the checkpoints that checkpoint.keep_period_frames kept, and of the
last; --most 5 takes five of the kept ones, evenly spread, as all pairs of many take long.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from triptych.provenance.code import write_measurement
from triptych.report.elo import GameResult, rate
from triptych.run.arguments import MOST_SIMULATIONS, ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.run.gtp_engine import GnuGo, play_engine
from triptych.run.quiet import quiet_lightning
from triptych.run.versus import (
    CheckpointPlayer,
    check_two_players,
    play_each_other,
    play_opponent,
)
from triptych.types import ConfigurationError

MAX_GAMES_AT_ONCE = 64


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a number is out of range, or nothing is asked for.
    """
    parser = ScriptParser(__doc__)
    parser.add_run_folder()
    parser.add_argument(
        "--against", type=opponent, nargs="+", default=[], metavar="OPPONENT", help="who the checkpoint plays against"
    )
    parser.add_argument("--each-other", action="store_true", help="rate the checkpoints by games between them")
    parser.add_argument(
        "--most", type=whole_number(1), metavar="N", help="rate N of the kept checkpoints (default: all)"
    )
    parser.add_argument(
        "--games", type=whole_number(2), default=100, help="of each pairing, an even number (default: 100)"
    )
    parser.add_num_simulations()
    parser.add_seed(0, "the games")
    parser.add_out()
    options = parser.parse_args(arguments)
    if options.games % 2:
        parser.error(f"--games {options.games} is not allowed: it takes an even number.")
    if options.most is not None and not options.each_other:
        parser.error(f"--most {options.most} is not allowed without --each-other.")
    if not options.against and not options.each_other:
        parser.error("Say who is to play: --against random, or --each-other.")
    return options


def opponent(text: str) -> tuple[str, int]:
    """Read ``name`` or ``name:number``.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    name, _, number = text.partition(":")
    takes_number = name in ("search", "gnugo")
    if name not in ("random", "perfect", "search", "gnugo") or (takes_number and not number.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text} is not allowed: it takes random, perfect, search:<simulations> or gnugo:<level>."
        )
    least = int(name == "search")
    if takes_number and not least <= int(number) <= MOST_SIMULATIONS:
        raise argparse.ArgumentTypeError(
            f"{text} is not allowed: it takes a number from {least} to {MOST_SIMULATIONS:,}."
        )
    if not takes_number and number:
        raise argparse.ArgumentTypeError(f"{text} is not allowed: {name} takes no number.")
    return name, int(number or 0)


def play_against(player: CheckpointPlayer, opponent: tuple[str, int], options: argparse.Namespace) -> dict[str, Any]:
    """Play against one opponent, and return how it went from each seat."""
    name, number = opponent
    if name == "gnugo":
        with GnuGo(number, options.seed) as engine:
            records = play_engine(player, engine, options.games, options.seed)
    else:
        game = player.experiment.data.make_game(min(options.games // 2, MAX_GAMES_AT_ONCE))
        game.face(name, number)  # type: ignore[attr-defined]
        records = play_opponent(player, game, options.games, options.seed)
        game.close()
    label = f"{name}:{number}" if number else name
    seats = {seat: record._asdict() for seat, record in zip(("first", "second"), records, strict=True)}
    score = sum(record.score for record in records) / 2
    return {"opponent": label, "games": options.games, "score": score, **seats}


def rate_checkpoints(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Let the kept checkpoints and the last one play each other, and return their ratings in order of time.

    Raises:
        ConfigurationError: there are fewer than two.
    """
    folder = options.run_folder / "checkpoints"
    named = {path.stem.removeprefix("kept-"): path for path in folder.glob("kept-*.ckpt")}
    kept = [named[frames] for frames in sorted(filter(str.isdecimal, named), key=int)]
    most = min(options.most or len(kept), len(kept))
    chosen = np.linspace(len(kept) - 1, 0, most).round().astype(int)[::-1]  # the latest where it is one
    paths = [*(str(kept[index]) for index in chosen), "last"]
    if not kept:
        raise ConfigurationError(
            f"{folder} has kept no checkpoints; train with checkpoint.keep_period_frames=<frames> to have them."
        )
    players = [CheckpointPlayer(options.run_folder, path, options.num_simulations, options.trust) for path in paths]
    games: list[GameResult] = []
    for first, second in combinations(range(len(players)), 2):
        pair = players[first], players[second]
        games += play_each_other(pair[0].experiment.data.make_game, pair, (first, second), options.games, options.seed)
    ratings = rate(len(players), games)
    frames = [player.experiment.module.env_steps * player.spec.frame_skip for player in players]
    return [
        {"checkpoint": player.name, "frames": at, "elo": rating.elo, "low": rating.low, "high": rating.high}
        for player, at, rating in zip(players, frames, ratings, strict=True)
    ]


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """Show rows of equal keys."""
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else _text(value) for value in row.values()))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['won']} won, {value['drawn']} drawn, {value['lost']} lost"
    return f"{value:,}" if isinstance(value, int) else str(value)


def play(arguments: list[str]) -> None:
    """Play, print and write what came of it.

    Raises:
        ConfigurationError: what was asked for cannot be played.
    """
    options = parse_arguments(arguments)
    player = CheckpointPlayer(options.run_folder, options.checkpoint, options.num_simulations, options.trust)
    check_two_players(player.spec)
    found: dict[str, Any] = {"env": player.spec.name, "checkpoint": player.name}
    if options.against:
        found["against"] = [play_against(player, opponent, options) for opponent in dict.fromkeys(options.against)]
        print_table(f"{player.spec.name}, {player.name}", found["against"])
    if options.each_other:
        found["ratings"] = rate_checkpoints(options)
        print_table(f"{player.spec.name}, Elo with 95 % intervals", found["ratings"])
    write_measurement(options.out, Path(__file__).name, arguments, found)


def main(arguments: list[str]) -> int:
    """Play and return the exit code."""
    quiet_lightning()
    return exit_code_of(lambda: play(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
