"""Files: written whole or not at all, and read as data that may be anybody's."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

MAX_NBYTES = 16 * 2**20  # of a summary or a configuration
BLOCK_NBYTES = 2**22  # read at once for a checksum
SEAL = b"crc32=%08x"
SEAL_NBYTES = len(SEAL % 0)


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to; rename it to ``path`` at the end, delete it after an error.

    The temporary name keeps the suffix, by which some libraries choose a format, and is hidden. Whatever lies under
    either name, a link too, is replaced and not written through. With ``sync`` the file is on the disk before it has
    its name, and the name before this ends, so that a loss of power leaves one of the two files whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        if sync:
            _sync(temporary)
        os.replace(temporary, path)
        if sync:
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def checksum(path: Path, nbytes: int | None = None) -> int:
    """Return the CRC-32 of a file, or of its first bytes."""
    found, left = 0, path.stat().st_size if nbytes is None else nbytes
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, BLOCK_NBYTES))):
            found, left = zlib.crc32(block, found), left - len(block)
    return found


def seal(path: Path) -> None:
    """Add the checksum of a zip file, as ``torch.save`` writes it, as its comment, which readers pass over."""
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)  # the length of the comment, of which there is none yet
        file.write(SEAL_NBYTES.to_bytes(2, "little"))
    mark = SEAL % checksum(path)
    with path.open("ab") as file:
        file.write(mark)


def is_sealed(path: Path) -> bool:
    """Whether a file ends as `seal` leaves it."""
    return path.is_file() and re.fullmatch(rb"crc32=[0-9a-f]{8}", _end(path)) is not None


def _end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - SEAL_NBYTES, 0))
        return file.read()


def check_seal(path: Path) -> None:
    """Check that a zip file is as it was when it was sealed; one that never was, by the checksums of its parts.

    Raises:
        OSError: it is damaged, cut short or missing.
    """
    if is_sealed(path):
        is_whole = _end(path) == SEAL % checksum(path, path.stat().st_size - SEAL_NBYTES)
    else:
        try:
            with zipfile.ZipFile(path) as found:
                is_whole = not found.comment and found.testzip() is None
        except FileNotFoundError:
            raise
        except Exception as error:  # a damaged table of contents may fail in any way
            raise OSError(f"{path} is damaged or cut short") from error
    if not is_whole:
        raise OSError(f"{path} is damaged: its checksum is another")


def write_text(path: Path, text: str) -> None:
    """Replace a file by one with this text."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def copy_file(source: Path, target: Path) -> None:
    """Replace ``target`` by a copy of ``source``, which stays."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def append_text(path: Path, text: str) -> None:
    """Add text to the end of a file; raise `OSError` where it is a link."""
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    with os.fdopen(number, "a", encoding="utf-8") as file:
        file.write(text)


def find_link(folder: Path, left_out: str = "wandb") -> Path | None:
    """Return a symbolic link in a folder, at any depth but in ``left_out``; ``None`` if there is none."""
    for parent, directories, files in os.walk(folder):
        for name in (*directories, *files):
            if (Path(parent) / name).is_symlink():
                return Path(parent) / name
        if Path(parent) == folder and left_out in directories:
            directories.remove(left_out)
    return None


def _read(path: Path) -> str:
    if path.is_symlink():
        raise ValueError("it is a link")
    if path.stat().st_size > MAX_NBYTES:
        raise ValueError(f"it has more than {MAX_NBYTES} bytes")
    return path.read_text(encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none, or nested too deeply.
    """
    try:
        found = json.loads(_read(path))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


class _PlainLoader(yaml.SafeLoader):
    """Reads plain data; refuses aliases, by which a small file can stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it has aliases")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping of plain data: no tags, no aliases, no interpolations.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none, holds something else, or is nested too deeply.
    """
    text = _read(path)
    try:
        found = yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no plain YAML ({type(error).__name__})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("it is no YAML mapping")
    if "${" in text:
        raise ValueError("it has interpolations")
    return found


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read columns and rows; a line that is cut short is dropped.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no CSV file, or a field is too long.
    """
    if path.is_symlink():
        raise ValueError("it is a link")
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:  # spreadsheets put a mark first
            reader = csv.DictReader(file)
            rows = [row for row in reader if None not in row and None not in row.values()]
            return list(reader.fieldnames or []), rows
    except csv.Error as error:
        raise ValueError(f"it is no CSV file ({error})") from error
