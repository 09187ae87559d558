"""What is told of a single run: where it comes from, its configuration, its curve and its video."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.files import read_json
from triptych.report.comparison import FRAMES, RETURN, SECONDS, Entry, read_curve
from triptych.report.runs import Run

MAX_TEXT = 20_000  # characters of a configuration
MAX_LINE = 2_000  # characters of any other text
MAX_EMBEDDED = 300_000  # bytes of a video that becomes part of the page
MAX_ALL_EMBEDDED = 3_000_000  # bytes of all of them
TOLD = (
    "command", "git_commit", "stop_reason", "total_frames", "total_minutes", "tags", "task_name", "started_from",
    "error",
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """One run; all texts are as the folder has them, so whoever writes them as HTML escapes them.

    Attributes:
        facts: names and values, without those that the run does not tell.
        config: text of ``config.yaml``; empty where there is none.
        videos: those in the run's folder.
        points: evaluations, ``(frames, seconds, mean return)``.
    """

    run: Run
    facts: dict[str, str]
    config: str
    videos: list[Path]
    points: list[tuple[float, float, float]]

    @property
    def title(self) -> str:
        return f"{self.run.algo}, {self.run.env}, {self.run.protocol}, seed {self.run.seed}"


def make_card(run: Run) -> Card:
    """Read what a run's folder tells besides its scores; what cannot be read is left out."""
    summary: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        summary = read_json(run.folder / "summary.json")
    facts = {"folder": str(run.folder), "status": run.status}
    facts |= {name.replace("_", " "): _line(summary[name]) for name in TOLD if summary.get(name)}
    for name in ("hardware", "versions"):
        if isinstance(summary.get(name), dict):
            facts[name] = _line(", ".join(f"{key} {value}" for key, value in summary[name].items()))
    points = [(row[FRAMES], row[SECONDS], row[RETURN]) for row in read_curve(run).tolist()]
    return Card(run, facts, _config(run.folder / "config.yaml"), _videos(run.folder), points)


def make_cards(entries: Sequence[Entry]) -> list[Card]:
    """Make the card of every run, in the order of the entries and of their seeds."""
    return [make_card(run) for entry in entries for run in entry.runs]


def _line(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]} …"


def _config(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if not path.is_symlink():
            with path.open() as file:
                text = file.read(MAX_TEXT + 1)
            return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n…"
    return ""


def _videos(folder: Path) -> list[Path]:
    found = [folder / "videos"] if not (folder / "videos").is_symlink() else []
    return sorted(path for place in found for path in place.glob("*.mp4") if path.is_file() and not path.is_symlink())


def videos_to_embed(cards: Sequence[Card]) -> set[Path]:
    """Choose the videos that become part of a page: small ones, while all of them together are small too."""
    chosen, nbytes = set(), 0
    for video in (video for card in cards for video in card.videos):
        with contextlib.suppress(OSError):
            size = video.stat().st_size
            if size <= MAX_EMBEDDED and nbytes + size <= MAX_ALL_EMBEDDED:
                chosen.add(video)
                nbytes += size
    return chosen
