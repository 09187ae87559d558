"""Tell what came out of runs.

python scripts/report.py outputs/                                  a table per protocol
python scripts/report.py outputs/ --curves docs/algorithms/curves  one PNG per env and protocol
python scripts/report.py outputs/ --html report/                   a page, tables and a picture in a folder
python scripts/report.py outputs/ --html report/ --metric train/q_value_largest    the same with more charts
python scripts/report.py outputs/ --collect docs/results           copy what can be committed
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import sys
from pathlib import Path

from triptych.report.curves import draw_curves
from triptych.report.groups import group_runs, tell_protocols_apart
from triptych.report.runs import Run, collect_runs, find_runs
from triptych.report.table import markdown_tables
from triptych.report.writing import CURVES, write_report
from triptych.run.arguments import ScriptParser, folder_to_fill
from triptych.run.exit_codes import exit_code_of
from triptych.run.folder import is_run
from triptych.types import ConfigurationError


def write_curves(runs: list[Run], directory: Path) -> None:
    """Draw one PNG per env and protocol."""

    def place(run: Run) -> tuple[str, str]:
        return run.env, run.protocol

    for (env, protocol), members in itertools.groupby(sorted(tell_protocols_apart(runs), key=place), key=place):
        slug = re.sub(r"[^\w.=]+", "-", protocol).strip("-")
        path = directory / f"{env}-{slug}.png"
        draw_curves([run.folder for run in members], path, protocol)
        print(f"Curves: {path}")


def write_page(runs: list[Run], notes: list[str], directory: Path, metrics: list[str]) -> None:
    """Write the page and what lies beside it."""
    written = write_report(runs, notes, directory, metrics)
    print(f"Page: {written[0]}; beside it {', '.join(path.name for path in written[1:])}")
    if importlib.util.find_spec("matplotlib") is None:
        print(f"There is no {CURVES} without matplotlib: pip install 'triptych[plots]'.")


def report(arguments: list[str]) -> None:
    """Print the tables, and write what was asked for.

    Raises:
        ConfigurationError: an argument cannot be used, or there is nothing to report.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="runs are looked for at any depth")
    parser.add_argument("--curves", type=folder_to_fill, metavar="DIR", help="write one PNG per env and protocol")
    parser.add_argument(
        "--html", type=folder_to_fill, metavar="DIR", help="write index.html, report.md, CSV files, a PNG"
    )
    parser.add_argument(
        "--metric", nargs="+", default=[], metavar="NAME", help="more charts for --html, such as train/q_value_mean"
    )
    parser.add_argument(
        "--collect", type=folder_to_fill, metavar="DIR", help="copy summary, metrics and config of each run"
    )
    options = parser.parse_args(arguments)
    for folder in options.folders:
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder.")
    if options.collect is not None and is_run(options.collect):
        parser.error(f"--collect {options.collect} is not allowed: it is the folder of a run.")
    if options.metric and options.html is None:
        parser.error(f"--metric {options.metric[0]} is for the page; add --html DIR.")
    runs, notes = find_runs(options.folders)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if not runs:
        places = ", ".join(str(folder) for folder in options.folders)
        parser.error(f"Nothing to report: no run (summary.json and metrics.csv) below {places}.")
    print(markdown_tables(group_runs(runs)), end="")
    for run in runs:
        if run.return_mean is None:
            print(f"\nNot in the returns: {run.folder} is {run.status} at {run.frames:,} frames.")
    try:
        if options.curves is not None:
            write_curves(runs, options.curves)
        if options.html is not None:
            unknown = [name for name in options.metric if not any(run.curve(name)[0] for run in runs)]
            if unknown:
                raise ValueError(f"--metric {unknown[0]} is a column of no run's metrics.csv; look there for its name")
            write_page(runs, notes, options.html, options.metric)
        if options.collect is not None:
            for copy in collect_runs(runs, options.collect):
                print(f"Collected: {copy}")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{error}.") from error


def main(arguments: list[str]) -> int:
    """Report and return the exit code: 2 where there is nothing to report."""
    return exit_code_of(lambda: report(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
