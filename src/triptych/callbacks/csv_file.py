"""Append-only CSV files that survive kills and resumes."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

from triptych.files import read_csv, replacing


def write_rows(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """Write a whole CSV file under a temporary name and rename it."""
    with replacing(path, sync=False) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read columns and rows; a line that is cut short, or damaged so that it tells no frame, is dropped."""
    if not path.exists():
        return [], []
    columns, rows = read_csv(path)
    return columns, [row for row in rows if row.get("frames", "").isdecimal()]


def cut_rows(path: Path, frames: int, owed: str | None = None) -> None:
    """Drop the rows after the frame at which a run continues, and those at it that have a value ``owed``."""
    columns, rows = read_rows(path)
    if columns:
        kept = [row for row in rows if int(row["frames"]) <= frames]
        kept = [row for row in kept if not (int(row["frames"]) == frames and owed and row.get(owed))]
        write_rows(path, columns, kept)


def set_aside(path: Path) -> Path | None:
    """Give a file that is no longer what was written here another name, and return it; ``None`` where it is.

    What a spreadsheet has saved with other separators or without the names of the columns would be lost otherwise.
    """
    try:
        columns = read_rows(path)[0]
    except ValueError:  # it is no CSV file at all
        columns = []
    if "frames" in columns or not (path.exists() and path.stat().st_size):
        return None
    number = next(number for number in itertools.count(1) if not path.with_name(f"{path.name}.old{number}").exists())
    return path.rename(path.with_name(f"{path.name}.old{number}"))


ORDER = ("collect/", "train/", "eval/")  # of columns with a prefix, after those without


class CSVFile:
    """Appends rows; a new column rewrites the file, those of a prefix beside each other."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path = path
        self.columns, rows = read_rows(path)
        if not self.columns:
            self.columns = list(columns)
        write_rows(path, self.columns, rows)

    def append(self, *rows: dict[str, Any]) -> None:
        new_columns = [name for row in rows for name in row if name not in self.columns]
        if new_columns:
            self.columns = sorted([*self.columns, *dict.fromkeys(new_columns)], key=_place)
            write_rows(self.path, self.columns, read_rows(self.path)[1])
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, restval="").writerows(rows)


def _place(column: str) -> int:
    """Return where a column stands among the others; those of one place keep their order."""
    known = next((place for place, prefix in enumerate(ORDER, start=1) if column.startswith(prefix)), len(ORDER) + 1)
    return known if "/" in column else 0
