"""The table at the end of a sweep: what became of each job."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from triptych.command.ledger import Entry
from triptych.report.progress import read_progress
from triptych.types import ExitCode

STATUSES: dict[int, str] = {
    ExitCode.DONE: "finished",
    ExitCode.FAILED: "failed",
    ExitCode.BAD_INPUT: "refused",
    ExitCode.INTERRUPTED: "interrupted",
}
COLUMNS = ("status", "job", "frames", "score", "folder", "error")


def closing_table(entries: Sequence[Entry]) -> str:
    """Write a line for each job, with its error where it has one; whatever lies in its folder, no line is missing."""
    names = tell_apart([entry.command for entry in entries])
    rows = [COLUMNS, *(_row(name, entry) for name, entry in zip(names, entries, strict=True))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(name: str, entry: Entry) -> tuple[str, ...]:
    status, error = STATUSES.get(entry.exit_code, "failed"), entry.error
    if entry.folder is None:
        return status, name, "", "", "", error or ""
    run = read_progress(entry.folder)
    if entry.exit_code not in (ExitCode.DONE, ExitCode.INTERRUPTED):
        error = error or run.error or "the reason is printed above"
    score = "" if run.score is None or entry.exit_code != ExitCode.DONE else f"{run.score:.2f}"
    frames = "" if run.frames is None else f"{run.frames:,}"
    return status, name, frames, score, str(entry.folder), " ".join((error or "").split())


def tell_apart(commands: Sequence[str]) -> list[str]:
    """Shorten the commands of a sweep to the words in which they differ."""
    words = []
    for command in commands:
        try:
            words.append(shlex.split(command))
        except ValueError:  # a quote without its other half
            words.append(command.split())
    shared = set.intersection(*(set(one) for one in words)) if len(words) > 1 else set()
    return [
        " ".join(word for word in one if word not in shared) or command
        for one, command in zip(words, commands, strict=True)
    ]
