"""The actions of every training episode, from which, with its seed, it can be played again.

A file of records that follow each other, each a head and the actions ``[T, *action_shape]`` as zlib packs them. What
was cut short by a kill, and what follows a damaged head, counts as not kept.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from triptych.types import Actions, Episode

NAME = "actions.bin"
KINDS = ("|u1", "<i8", "<f4")  # of numbers
HEAD = struct.Struct("<QIIBBIII")  # frames, env_index, episode_index, kind, axes, length, bytes, checksum; then sizes
MAX_NBYTES = 2**28  # of the actions of one episode


class Record(NamedTuple):
    """Where the actions of one episode lie in the file."""

    frames: int
    env_index: int
    episode_index: int
    dtype: str
    shape: tuple[int, ...]
    start: int  # of its packed bytes
    nbytes: int
    checksum: int


def append_actions(path: Path, episodes: list[Episode]) -> None:
    """Add the actions of ended episodes."""
    with path.open("ab") as file:
        file.write(b"".join(map(_record, episodes)))


def _record(episode: Episode) -> bytes:
    array = np.ascontiguousarray(episode.actions.array)
    array = array.astype(KINDS[0 if array.dtype == np.uint8 else 1 if array.dtype.kind in "iu" else 2], copy=False)
    packed = zlib.compress(array.tobytes())
    sizes = array.shape[1:]
    head = HEAD.pack(
        episode.frames,
        episode.env_index,
        episode.episode_index,
        KINDS.index(array.dtype.str),
        len(sizes),
        len(array),
        len(packed),
        zlib.crc32(packed),
    )
    return head + struct.pack(f"<{len(sizes)}I", *sizes) + packed


def cut_actions(path: Path, frames: int) -> None:
    """Drop the episodes after the frame at which a run continues, and what is not whole."""
    if path.exists():
        end = 0
        for record in _records(path):
            if record.frames > frames:
                break
            end = record.start + record.nbytes
        os.truncate(path, end)


def read_actions(path: Path, env_index: int, episode_index: int) -> Actions | None:
    """Return the actions of a training episode; ``None`` where they were not kept, or are damaged."""
    if path.is_symlink() or not path.is_file():
        return None
    for record in _records(path):
        if (record.env_index, record.episode_index) == (env_index, episode_index):
            return _unpack(path, record)
    return None


def _unpack(path: Path, record: Record) -> Actions | None:
    nbytes = math.prod(record.shape) * np.dtype(record.dtype).itemsize
    with path.open("rb") as file:
        file.seek(record.start)
        packed = file.read(record.nbytes)
    if zlib.crc32(packed) != record.checksum or nbytes > MAX_NBYTES:
        return None
    try:
        found = zlib.decompressobj().decompress(packed, nbytes + 1)
    except zlib.error:
        return None
    if len(found) != nbytes:
        return None
    return Actions.of(np.frombuffer(found, record.dtype).reshape(record.shape))


def _records(path: Path) -> Iterator[Record]:
    size = path.stat().st_size
    with path.open("rb") as file:
        while (record := _next(file, size)) is not None:
            yield record
            file.seek(record.start + record.nbytes)


def _next(file: BinaryIO, size: int) -> Record | None:
    """Read one head; ``None`` at the end, where the record is not whole and where it is none."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    frames, env_index, episode_index, kind, axes, length, nbytes, checksum = HEAD.unpack(head)
    sizes = file.read(4 * axes)
    if kind >= len(KINDS) or len(sizes) < 4 * axes or file.tell() + nbytes > size:
        return None
    shape = (length, *struct.unpack(f"<{axes}I", sizes))
    return Record(frames, env_index, episode_index, KINDS[kind], shape, file.tell(), nbytes, checksum)
