"""The rows that a tracker was sent, kept in the run's folder for the run that goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.files import append_text

Row = dict[str, float]


class History:
    """An append-only file of rows, a JSON object on each line; ``{"cut": frames}`` takes those after a frame back.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, Any], frames: int) -> None:
        """Keep the numbers of a row; pictures and texts are left out."""
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
        self._write(numbers | {"frames": frames})

    def cut(self, frames: int) -> None:
        """Take back the rows from this frame on."""
        if self.path.exists():
            self._write({"cut": frames})

    def read(self) -> tuple[list[Row], dict[str, int]]:
        """Return the rows that count, and for each key the last frame at which it ever had a value.

        A line that is cut short or damaged is left out.
        """
        rows: list[Row] = []
        reached: dict[str, int] = {}
        for entry in self._entries():
            cut, frames = entry.get("cut"), entry.get("frames")
            if isinstance(cut, int):
                rows = [row for row in rows if row["frames"] < cut]
            elif isinstance(frames, int):
                rows.append(entry)
                reached |= {name: max(frames, reached.get(name, -1)) for name in entry}
        return rows, reached

    def _write(self, entry: Mapping[str, Any]) -> None:
        """Add a line, also after one that a crash has left half written."""
        append_text(self.path, ("" if self._ends_with_a_line() else "\n") + json.dumps(entry) + "\n")

    def _ends_with_a_line(self) -> bool:
        if not self.path.is_file() or not self.path.stat().st_size:
            return True
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _entries(self) -> list[dict[str, Any]]:
        if not self.path.is_file() or self.path.is_symlink():
            return []
        entries = []
        for line in self.path.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                entries.append(entry)
        return entries
