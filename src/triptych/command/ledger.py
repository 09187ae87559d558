"""What became of the jobs of one command line, kept in files: launchers run jobs in processes of their own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from triptych.files import append_text, read_json, write_text
from triptych.types.errors import ExitCode


class Entry(NamedTuple):
    """What is known of one job."""

    command: str
    exit_code: int  # of one that has no end, because its process was killed, that of a failure
    folder: Path | None = None
    error: str | None = None  # what a job was refused with; those that ran keep theirs in ``summary.json``


class Ledger:
    """What became of jobs, each in a file of a folder that all their processes see.

    Args:
        folder: which exists, and belongs to one command line.
        record: the file of a sweep to which its jobs are added as they start, for those who look on.
    """

    def __init__(self, folder: Path, record: Path | None = None) -> None:
        self.folder, self.record = folder, record

    def begin(self, run: str, command: str, folder: Path | None = None) -> bool:
        """Note that a job starts; return ``False`` where a job before it is the same run.

        Args:
            run: what tells runs apart.
            command: of the job.
            folder: of the run.
        """
        path = self._path(run)
        try:
            path.touch(exist_ok=False)  # one process alone succeeds
        except FileExistsError:
            return False
        entry = {"command": command, "started": time.time(), "exit_code": None, "folder": str(folder or "")}
        write_text(path, json.dumps(entry))
        if self.record is not None and folder is not None:
            with contextlib.suppress(OSError):  # nobody's result depends on it
                append_text(self.record, record_line(command, folder))
        return True

    def end(self, run: str, command: str, exit_code: int, error: str | None = None) -> None:
        """Note how a job ended, and the sentence with which it was refused."""
        path = self._path(run)
        entry = _read(path) | {"command": command, "exit_code": int(exit_code), "error": error}
        write_text(path, json.dumps({"started": time.time()} | entry))
        if self.record is not None and exit_code == ExitCode.BAD_INPUT and entry.get("folder"):
            with contextlib.suppress(OSError):
                append_text(self.record, record_line(command, Path(entry["folder"]), refused=error or ""))

    def exit_codes(self) -> dict[str, int]:
        """Return the exit code of each job by its command, in the order of their starts."""
        return {entry.command: entry.exit_code for entry in self.entries()}

    def entries(self) -> list[Entry]:
        """Return what is known of each job, in the order of their starts."""
        found = sorted((_read(path) for path in self.folder.glob("*.json")), key=lambda one: one.get("started", 0))
        return [_entry(one) for one in found]

    def _path(self, run: str) -> Path:
        return self.folder / f"{hashlib.sha256(run.encode()).hexdigest()[:16]}.json"


def record_line(job: str, folder: Path, **more: str) -> str:
    """Write a job's line of a sweep's record, which `triptych.report.progress` reads."""
    return json.dumps({"job": job, "folder": str(folder)} | more) + "\n"


def _entry(found: dict[str, Any]) -> Entry:
    folder = Path(found["folder"]) if found.get("folder") else None
    exit_code, error = found.get("exit_code"), found.get("error")
    if exit_code is None:
        exit_code, error = ExitCode.FAILED, "its process ended without a word, as one that is killed does"
    return Entry(found.get("command", "a job"), exit_code, folder, error)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}
