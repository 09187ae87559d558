"""Show how far the jobs of a sweep are, while it runs or later.

python scripts/sweep_status.py                          the sweep in outputs/ that was started last
python scripts/sweep_status.py outputs/.sweeps/1a2b3c4d.jsonl  another one
python scripts/sweep_status.py FOLDER ...               every run below these folders
python scripts/sweep_status.py --watch 10               again every ten seconds
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from triptych.report.progress import Progress, find_folders, read_progress, read_sweep
from triptych.run.arguments import ScriptParser, number
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError

SWEEPS = Path("outputs", ".sweeps")


def _started(record: Path) -> float:
    """Return when a sweep was started; 0 of a record that tells nothing, to be told where it is read."""
    try:
        return read_sweep(record).started
    except ValueError:
        return 0.0


def find_jobs(places: list[Path]) -> tuple[list[str], list[Progress]]:
    """Return what is to be said above the table, and how far the jobs are.

    Raises:
        ValueError: a place is neither a folder nor the record of a sweep.
    """
    if not places:
        records = sorted(SWEEPS.glob("*.jsonl"), key=_started)
        if not records:
            raise ValueError(f"no sweep was started here ({SWEEPS} holds none): name a folder of runs")
        places = records[-1:]
    titles: list[str] = []
    folders: list[Path] = []
    refused: dict[Path, str] = {}
    for place in places:
        if place.is_dir():
            folders += find_folders(place)
        elif place.is_file():
            sweep = read_sweep(place)
            unknown = (sweep.num_jobs or 0) - len(sweep.folders)
            more = f" ({unknown} of its jobs have not started and are not shown)" if unknown > 0 else ""
            titles.append(f"{sweep.command}{more}")
            folders += sweep.folders
            refused |= sweep.refused
        else:
            raise ValueError(f"{place} is neither a folder nor the record of a sweep")
    jobs = [read_progress(folder) for folder in dict.fromkeys(folders)]
    return titles, [
        job._replace(status="refused", error=refused[job.folder])
        if job.status == "not started" and job.folder in refused
        else job
        for job in jobs
    ]


def table_of(runs: list[Progress]) -> Table:
    """Draw a line for each run."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("status", "frames", "of", "return", "frames/s", "left", "seed"):
        table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
    table.add_column("folder", overflow="fold")
    for run in runs:
        latest = run.score if run.score is not None else run.latest_return
        cells = (
            run.status,
            _shown(run.frames, ",d"),
            _shown(run.total_frames, ",d"),
            _shown(latest, ".2f"),
            _shown(run.frames_per_second, ",.0f"),
            _duration(run.seconds_left),
            _shown(run.seed, "d"),
            _relative(run.folder) + (f": {run.error}" if run.status in ("failed", "refused") and run.error else ""),
        )
        table.add_row(*(Text(cell) for cell in cells))  # whatever a file says is no markup
    return table


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes = int(seconds) // 60
    return f"{minutes // 60}:{minutes % 60:02} h" if minutes >= 60 else f"{minutes}:{int(seconds) % 60:02} min"


def _relative(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def show(places: list[Path], console: Console) -> None:
    """Print the table once.

    Raises:
        ValueError: there is nothing to show.
    """
    titles, runs = find_jobs(places)
    if not runs and not titles:
        raise ValueError(f"there is no run below {', '.join(map(str, places))}")
    for title in titles:
        console.print(title, markup=False, highlight=False)
    console.print(table_of(runs))
    statuses = dict.fromkeys(run.status for run in runs)
    console.print(", ".join(f"{sum(run.status == one for run in runs)} {one}" for one in statuses))


def watch(arguments: list[str]) -> None:
    """Show the runs, once or until Ctrl-C.

    Raises:
        ConfigurationError: an argument cannot be used, or there are no runs.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("places", type=Path, nargs="*", help="folders of runs, or the record of a sweep")
    parser.add_argument(
        "--watch", type=number(0.1, 86_400), metavar="SECONDS", help="show them again and again, until Ctrl-C"
    )
    options = parser.parse_args(arguments)
    # Where nobody looks at a terminal, a run is one line however long.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=400)
    try:
        while True:
            if options.watch is not None:
                console.clear()
            show(options.places, console)
            if options.watch is None:
                return
            time.sleep(options.watch)
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{error}.") from error
    except KeyboardInterrupt:
        return


def main(arguments: list[str]) -> int:
    """Show the runs and return the exit code."""
    return exit_code_of(lambda: watch(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
