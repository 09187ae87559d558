"""Published scores, each with its protocol, budget, way of measuring and source."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from triptych.report.runs import Run

# What a protocol's published scores were made with. Runs under its name with other values do not compare.
MADE_WITH: dict[str, dict[str, Any]] = {
    "nature": {"repeat_action_prob": 0.0, "frame_skip": 4},
    "atari100k": {"repeat_action_prob": 0.0, "frame_skip": 4},
    "machado": {"repeat_action_prob": 0.25, "frame_skip": 4},
}


@dataclass(frozen=True)
class PublishedScore:
    """A line of ``published.csv``.

    Attributes:
        environment: the id with its version, off Atari; another version is another environment.
        frames: emulator frames of training; 4 per env step on Atari.
        measured: how, and over how many runs where that is known.
    """

    env: str
    protocol: str
    environment: str
    algorithm: str
    score: float
    frames: int
    measured: str
    source: str


@cache
def published_scores() -> tuple[PublishedScore, ...]:
    """Read ``published.csv``."""
    text = files("triptych.report").joinpath("published.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return tuple(
        PublishedScore(**row | {"score": float(row["score"]), "frames": int(row["frames"])})  # type: ignore[arg-type]
        for row in rows
    )


def scores_beside(runs: Sequence[Run]) -> list[PublishedScore]:
    """Return the published scores of the env and protocol of these runs; none where a run's preprocessing differs."""
    env, protocol = runs[0].env, runs[0].protocol
    needed = MADE_WITH.get(protocol, {})
    if any(run.preprocessing.get(key, value) != value for run in runs for key, value in needed.items()):
        return []
    return [score for score in published_scores() if (score.env, score.protocol) == (env, protocol)]
