"""What differs between two runs that should be the same, to the last digit."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

OF_TIME = {"wall_time_s", "train/frames_per_second"}  # columns that no two runs share
ASIDE = {"loops", "callbacks", "epoch", "global_step", "pytorch-lightning_version"}  # of Lightning, or seen in files


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the numbers of ``metrics.csv`` that do not tell the time; an empty field is no number."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if value and key not in OF_TIME} for row in rows]


def read_values(path: Path) -> dict[str, Any]:
    """Read everything that a checkpoint holds of module, optimizer and data, by its place."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    return dict(_leaves("", {name: value for name, value in checkpoint.items() if name not in ASIDE}))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(f"{name}/{key}", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _leaves(f"{name}/{index}", part)
    else:
        yield name, value


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def count_differences(before: Path, after: Path) -> dict[str, int]:
    """Count what differs between two runs' folders: lines of episodes, numbers of metrics, values of checkpoints."""
    lines = [
        [line for name in ("episodes.csv", "evaluations.csv") for line in (run / name).read_text().splitlines()[1:]]
        for run in (before, after)
    ]
    rows, other_rows = (read_rows(run / "metrics.csv") for run in (before, after))
    values, other_values = (read_values(run / "checkpoints" / "last.ckpt") for run in (before, after))
    pairs = zip(rows, other_rows, strict=False)
    numbers = [(one.get(key), other.get(key)) for one, other in pairs for key in one | other]
    return {
        "episodes": len(lines[0]),
        "rows": len(rows),
        "values": len(values),
        "different_episodes": sum(one != other for one, other in zip(*lines, strict=False))
        + abs(len(lines[0]) - len(lines[1])),
        "different_numbers": sum(one != other for one, other in numbers) + abs(len(rows) - len(other_rows)),
        "different_values": len(values.keys() ^ other_values.keys())
        + sum(not _is_same(values[name], other_values[name]) for name in values.keys() & other_values.keys()),
    }
