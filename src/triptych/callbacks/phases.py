"""What a run is doing at the moment: one live line on a terminal, a word in the log where something takes long."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

SILENCE_S = 5.0  # after which a phase says a word where there is no terminal
REFRESH_PER_SECOND = 4


def has_terminal() -> bool:
    """Whether someone looks at what is printed, on a terminal that can write over a line."""
    return sys.stdout.isatty() and Console().is_interactive


class _Phase(NamedTuple):
    name: str
    detail: Callable[[], str]
    start: float
    timer: threading.Timer | None


class Phases:
    """The phases of a run, one within another; the innermost is shown.

    Args:
        write_line: where a word about a long phase goes where there is no terminal.
        is_shown: show anything at all.
        silence_s: seconds without a word.
    """

    def __init__(
        self, write_line: Callable[[str], None] = print, is_shown: bool = True, silence_s: float = SILENCE_S
    ) -> None:
        self.write_line, self.is_shown, self.silence_s = write_line, is_shown, silence_s
        self._phases: list[_Phase] = []
        self._live: Live | None = None

    def begin(self, name: str, detail: Callable[[], str] | None = None) -> None:
        """Enter a phase.

        Args:
            name: what is done, "evaluating on 10 games".
            detail: asked for what stands behind the name, several times a second and from another thread; by
                default the time since the start.
        """
        start, timer = time.monotonic(), None
        if self.is_shown and self._live is None:
            if has_terminal():
                self._live = Live(get_renderable=self.line, refresh_per_second=REFRESH_PER_SECOND, transient=True)
                self._live.start()
            else:
                timer = threading.Timer(self.silence_s, self.write_line, [f"{name} ..."])
                timer.daemon = True
                timer.start()
        self._phases.append(_Phase(name, detail or (lambda: _clock(time.monotonic() - start)), start, timer))

    def has_spoken(self) -> None:
        """Take note that a line was written: the phases of the moment need no word of their own."""
        for phase in self._phases:
            if phase.timer is not None:
                phase.timer.cancel()

    def end(self) -> None:
        """Leave the innermost phase."""
        phase = self._phases.pop()
        if phase.timer is not None:
            phase.timer.cancel()
        if not self._phases and self._live is not None:
            self._live.stop()
            self._live = None

    def end_all(self) -> None:
        """Leave every phase."""
        while self._phases:
            self.end()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Be in a phase while the context lasts; it may have ended before, by `end_all`."""
        self.begin(name)
        depth = len(self._phases)
        try:
            yield
        finally:
            if len(self._phases) == depth:
                self.end()

    def line(self) -> RenderableType:
        """Return the one line, cut off where a terminal is narrow: what matters most stands first."""
        phase = next(iter(self._phases[-1:]), None)  # the last one may end meanwhile
        text = "" if phase is None else f"{phase.name}  {phase.detail()}"
        return Text(text, style="bold", no_wrap=True, overflow="ellipsis")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
