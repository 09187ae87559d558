"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to; rename it to ``path`` at the end, delete it after an error.

    The temporary name keeps the suffix, by which some libraries choose a format, and is hidden.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file by one with this text."""
    with replacing(path) as temporary:
        temporary.write_text(text)


def copy_file(source: Path, target: Path) -> None:
    """Replace ``target`` by a copy of ``source``, which stays."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
