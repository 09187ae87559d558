"""How far a run is, read from its folder while it may still be written, and whatever somebody did to its files."""

from __future__ import annotations

import fcntl
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from triptych.files import MAX_NBYTES, read_csv, read_json
from triptych.report.runs import MOVED_ASIDE

RETURNS = ("eval/return_mean", "collect/interval_return_mean", "collect/return_mean")  # the first that a row has
MAX_JOBS = 100_000  # of a sweep's record that are read
SEARCH = "search.json"  # in the folder of a search, beside its trials


class Progress(NamedTuple):
    """What a run's folder says; ``None`` where it says nothing that can be read."""

    folder: Path
    status: str  # ``running``, ``interrupted``, ``finished``, ``failed``, ``refused`` or ``not started``
    frames: int | None = None
    total_frames: int | None = None
    latest_return: float | None = None  # of an evaluation, or of training episodes where there was none yet
    frames_per_second: float | None = None
    seed: int | None = None
    score: float | None = None  # mean return of the final evaluation
    error: str | None = None  # its first line
    minutes_left_s: float | None = None  # seconds until its minutes are used up, where it has any

    @property
    def seconds_left(self) -> float | None:
        """Seconds until a running run has used up its frames, at the speed of its latest rows, or its minutes."""
        if self.status != "running" or not self.frames_per_second or self.frames is None or self.total_frames is None:
            return None
        seconds = max(self.total_frames - self.frames, 0) / self.frames_per_second
        return seconds if self.minutes_left_s is None else min(seconds, self.minutes_left_s)


def read_progress(folder: Path) -> Progress:
    """Read how far a run is; a file that is missing or broken costs what it would have told, and nothing else."""
    try:
        summary = read_json(folder / "summary.json")
    except (OSError, ValueError):
        summary = {}
    try:
        rows = read_csv(folder / "metrics.csv")[1]
    except (OSError, ValueError):
        rows = []
    last = rows[-1] if rows else {}
    status = _status(folder, summary, rows)
    is_ended = status == "finished"
    # The summary of a run that goes on is as old as its latest checkpoint, the row of one that was stopped older.
    known = (_number(source.get("frames")) for source in (summary, last))
    frames = max((number for number in known if number is not None), default=None)
    speed = _number(summary.get("frames_per_second")) if is_ended else _latest(rows, "train/frames_per_second")
    error = summary.get("error")
    lines = error.strip().splitlines() if isinstance(error, str) else []
    return Progress(
        folder,
        status,
        _whole(frames),
        _whole(_number(summary.get("total_frames"))),
        next((value for name in RETURNS if (value := _latest(rows, name)) is not None), None),
        speed,
        _whole(_number(summary.get("seed"))),
        _number(summary.get("eval_return_mean")) if is_ended else None,
        lines[0] if lines else None,
        _minutes_left_s(summary, last),
    )


class Sweep(NamedTuple):
    """What a sweep wrote down when it was started, in ``outputs/.sweeps``."""

    command: str
    num_jobs: int | None  # ``None`` where nobody knows
    folders: list[Path]  # of the jobs, those that have not started included where they are known
    refused: dict[Path, str]  # folders of those that cannot run, and why
    started: float = 0.0  # seconds since 1970


def read_sweep(path: Path) -> Sweep:
    """Read the record of a sweep.

    Raises:
        ValueError: it is none.
    """
    try:
        if path.is_symlink() or path.stat().st_size > MAX_NBYTES:
            raise ValueError("it is a link, or too large")
        lines = [_object(line) for line in path.read_text(errors="replace").splitlines()[:MAX_JOBS]]
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not lines or not isinstance(lines[0].get("command"), str):
        raise ValueError(f"{path} is no record of a sweep")
    num_jobs = lines[0].get("num_jobs")
    place = path.resolve().parents[2] if len(path.resolve().parents) > 2 else Path()  # where the sweep was started
    named = [line for line in lines[1:] if isinstance(line.get("folder"), str) and "\0" not in line["folder"]]
    folders = list(dict.fromkeys(place / line["folder"] for line in named))
    refused = {place / line["folder"]: line["refused"] for line in named if isinstance(line.get("refused"), str)}
    started = _number(lines[0].get("started")) or 0.0
    return Sweep(lines[0]["command"], num_jobs if isinstance(num_jobs, int) else None, folders, refused, started)


def find_folders(folder: Path) -> list[Path]:
    """Return the folders of the runs at any depth of a folder; those moved aside and those of searches are none."""
    found = {path.parent for name in ("summary.json", "metrics.csv", ".lock") for path in folder.rglob(name)}
    return sorted(path for path in found if not (MOVED_ASIDE.search(path.name) or (path / SEARCH).exists()))


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # cut short, or broken
        return {}
    return found if isinstance(found, dict) else {}


def is_locked(folder: Path) -> bool:
    """Whether a living process runs in a folder: the system gives up the lock of one that is gone."""
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _status(folder: Path, summary: dict[str, Any], rows: list[dict[str, str]]) -> str:
    status = summary.get("status")
    if status in ("interrupted", "finished", "failed"):
        return status
    if is_locked(folder):
        return "running"
    # Killed, or its summary cannot be read.
    return "interrupted" if status == "running" or rows or (folder / "checkpoints").is_dir() else "not started"


def _minutes_left_s(summary: dict[str, Any], last: dict[str, str]) -> float | None:
    """Return the seconds that a run's minutes leave it after its last row."""
    minutes = _number(summary.get("minutes_limit", summary.get("total_minutes")))  # earlier runs have the second alone
    return None if minutes is None else max(60 * minutes - (_number(last.get("wall_time_s")) or 0.0), 0.0)


def _latest(rows: list[dict[str, str]], name: str) -> float | None:
    return next((value for row in reversed(rows) if (value := _number(row.get(name))) is not None), None)


def _number(value: Any) -> float | None:
    """Return a finite number, also one that is written as a text; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
