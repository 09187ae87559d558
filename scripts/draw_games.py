"""Draw what came out of self-play: NashConv in games of poker, Elo of a run's checkpoints.

python scripts/draw_games.py docs/results --cfr-plus docs/results/cfr_plus.json --out docs/algorithms
python scripts/draw_games.py --elo docs/results/elo_connect_four.json --out docs/algorithms

Of the runs below the folders, those with a NashConv are drawn, an environment to a picture, <env>-nash_conv.png, beside
what scripts/cfr_plus.py found; what scripts/tournament.py --each-other wrote becomes <env>-elo.png.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from triptych.report.comparison import make_entries
from triptych.report.runs import find_runs
from triptych.report.self_play import NASH_CONV, draw_elo, draw_nash_conv, read_ratings, read_references
from triptych.run.arguments import ScriptParser, folder_to_fill
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: there is nothing to draw.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("folders", type=Path, nargs="*", help="runs are looked for at any depth")
    parser.add_argument("--cfr-plus", type=Path, metavar="FILE", help="what scripts/cfr_plus.py wrote")
    parser.add_argument("--elo", type=Path, nargs="+", default=[], metavar="FILE", help="of scripts/tournament.py")
    parser.add_argument(
        "--out", type=folder_to_fill, default=Path(), metavar="DIR", help="where pictures go (default: here)"
    )
    options = parser.parse_args(arguments)
    if not options.folders and not options.elo:
        parser.error("There is nothing to draw; give folders of runs, or --elo with a tournament's file.")
    if options.cfr_plus is not None and not options.folders:
        parser.error("--cfr-plus is drawn beside runs; give their folders before it.")
    for folder in options.folders:
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder; give one in which runs lie.")
    return options


def draw_runs(options: argparse.Namespace) -> list[Path]:
    """Draw the NashConv of the runs, and return the pictures.

    Raises:
        ValueError: no run has one, or a file cannot be used.
    """
    references = {} if options.cfr_plus is None else read_references(options.cfr_plus)
    runs, notes = find_runs(options.folders)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    entries = [entry for entry in make_entries(runs) if entry.curves_of(NASH_CONV)]
    if not entries:
        places = ", ".join(map(str, options.folders))
        raise ValueError(
            f"No run below {places} has {NASH_CONV} in its metrics.csv; train with env=kuhn_poker or leduc_poker"
        )
    written = []
    entries.sort(key=lambda entry: entry.env)
    for env, group in itertools.groupby(entries, key=lambda entry: entry.env):
        written.append(options.out / f"{env}-nash_conv.png")
        draw_nash_conv(list(group), references.get(env), written[-1])
    return written


def draw_tournaments(options: argparse.Namespace) -> list[Path]:
    """Draw the ratings of each file, and return the pictures.

    Raises:
        ValueError: a file cannot be used, or two are of one environment.
    """
    found = [read_ratings(path) for path in options.elo]
    names = [env for env, _ in found]
    if len({*names}) < len(names):
        raise ValueError("--elo has two files of one environment, whose pictures would have one name; give one of them")
    written = [options.out / f"{env}-elo.png" for env in names]
    for (env, ratings), path in zip(found, written, strict=True):
        draw_elo(env, ratings, path)
    return written


def draw_all(arguments: list[str]) -> None:
    """Draw and name the pictures.

    Raises:
        ConfigurationError: there is nothing to draw, or nothing to draw it with.
    """
    try:
        options = parse_arguments(arguments)
        written = [*draw_tournaments(options), *(draw_runs(options) if options.folders else [])]
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    for path in written:
        print(f"Picture: {path}")


def main(arguments: list[str]) -> int:
    """Draw and return the exit code: 2 for input that cannot be used."""
    return exit_code_of(lambda: draw_all(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
