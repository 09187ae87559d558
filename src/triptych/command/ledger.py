"""What became of the jobs of one command line, kept in files: launchers run jobs in processes of their own."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from triptych.files import read_json, write_text
from triptych.types.errors import ExitCode


class Ledger:
    """The exit codes of jobs, each in a file of a folder that all their processes see.

    Args:
        folder: which exists, and belongs to one command line.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, run: str, command: str) -> bool:
        """Note that a job starts; return ``False`` where a job before it is the same run.

        Args:
            run: what tells runs apart.
            command: of the job.
        """
        path = self._path(run)
        try:
            path.touch(exist_ok=False)  # one process alone succeeds
        except FileExistsError:
            return False
        write_text(path, json.dumps({"command": command, "started": time.time(), "exit_code": None}))
        return True

    def end(self, run: str, command: str, exit_code: int) -> None:
        """Note how a job ended."""
        path = self._path(run)
        entry = _read(path) | {"command": command, "exit_code": int(exit_code)}
        write_text(path, json.dumps({"started": time.time()} | entry))

    def exit_codes(self) -> dict[str, int]:
        """Return the exit code of each job by its command, in the order of their starts; without an end it failed."""
        entries = sorted((_read(path) for path in self.folder.glob("*.json")), key=lambda one: one.get("started", 0))
        return {
            one.get("command", "a job"): ExitCode.FAILED if one.get("exit_code") is None else one["exit_code"]
            for one in entries
        }

    def _path(self, run: str) -> Path:
        return self.folder / f"{hashlib.sha256(run.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}
