"""Standard output that may go away while a run goes on: a pipe that is closed, a full disk, a terminal that is gone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any


class LastingStream:
    """Writes to a stream as long as that works, and to nowhere once it fails; ``train.log`` has the lines of a run.

    A character that the stream's encoding lacks becomes a question mark.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._lasting():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._lasting():
            self._stream.flush()

    @contextlib.contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # gone, or closed
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())  # what is left in its buffer goes there, too
                os.close(nowhere)
        except RuntimeError:  # a signal's handler writes where the same stream is being written to
            pass


@contextlib.contextmanager
def lasting_output() -> Iterator[None]:
    """Let standard output and standard error be `LastingStream` while the context lasts."""
    for number in range(3):  # a number that is free would become that of a run's file, into which libraries print
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    earlier = sys.stdout, sys.stderr
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name) or os.fdopen(number, "w", closefd=False)
        setattr(sys, name, stream if isinstance(stream, LastingStream) else LastingStream(stream))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = earlier
