"""The files that a replay is saved in: an index for each save, and the frames that came since the one before."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

from triptych.files import check_seal, checksum


def replay_folder(checkpoints: Path, rank: int) -> Path:
    """Return where the process of this rank saves its replay: one in another's, so that a run of one has no more."""
    return checkpoints / "replay" / f"rank{rank}" if rank else checkpoints / "replay"


def prune(directory: Path, names: set[str]) -> None:
    """Delete the replay files that none of the saves ``names`` refers to."""
    needed = set()
    for name in names:
        index = directory / f"index-{name}.pt"
        if index.exists():
            needed.add(index.name)
            needed |= {chunk["file"] for chunk in json.loads(read_index(index)["chunks"])}
    for pattern in ("index-*", "frames-*", ".tmp-*"):
        for path in directory.glob(pattern):
            if path.name not in needed:
                path.unlink()


def check_saved(directory: Path, name: str) -> None:
    """Raise `OSError` if a file of the save ``name`` is missing, cut short or damaged."""
    for chunk in json.loads(read_index(directory / f"index-{name}.pt")["chunks"]):
        path = directory / chunk["file"]
        if path.stat().st_size != chunk["nbytes"]:
            raise OSError(f"{path} is cut short")
        if "crc32" in chunk and checksum(path) != chunk["crc32"]:  # saves of earlier versions have none
            raise OSError(f"{path} is damaged: its checksum is another")


def saved_frame_nbytes(directory: Path, name: str) -> int | None:
    """Return the bytes of a frame in the save ``name``; ``None`` where it has none."""
    for chunk in json.loads(read_index(directory / f"index-{name}.pt")["chunks"]):
        num_rows = sum(chunk["last"]) - sum(chunk["first"])
        if num_rows:
            return int(chunk["nbytes"]) // num_rows
    return None


def read_index(path: Path) -> dict[str, Any]:
    """Read the index of a save; raise `OSError` if it is missing, cut short or damaged."""
    check_seal(path)
    try:
        index = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise OSError(f"{path} is cut short") from error
    for chunk in json.loads(index["chunks"]):
        if Path(chunk["file"]).name != chunk["file"]:
            raise OSError(f"{path} names a file in another folder, {chunk['file']}")
    return index
