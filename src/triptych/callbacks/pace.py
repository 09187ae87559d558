"""How fast a run has been lately, and how long the rest takes."""

from __future__ import annotations

from collections import deque

WINDOW_S = 30.0  # of learning over which the rate is taken
LEAST_S = 2.0  # that two samples must lie apart before there is a rate


class Pace:
    """Frames per second over the last seconds; what lies in a pause counts for nothing."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()  # seconds, frames

    def restart(self) -> None:
        """Forget what was measured: what follows runs at another rate."""
        self._samples.clear()

    def add(self, now: float, frames: float) -> None:
        """Count ``frames`` of the run as done at ``now``, in seconds."""
        samples = self._samples
        samples.append((now, frames))
        while len(samples) > 2 and samples[1][0] <= now - WINDOW_S:
            samples.popleft()

    def pause(self, seconds: float) -> None:
        """Leave out seconds that have just passed."""
        self._samples = deque((at + seconds, frames) for at, frames in self._samples)

    @property
    def frames_per_second(self) -> float | None:
        """The rate, ``None`` while it is not known."""
        samples = list(self._samples)  # a copy: another thread may ask
        if len(samples) < 2:
            return None
        (start, before), (end, after) = samples[0], samples[-1]
        return (after - before) / (end - start) if end - start >= LEAST_S and after > before else None


def duration(seconds: float) -> str:
    """Say a time in words, as exactly as an estimate deserves.

    >>> duration(40), duration(3600), duration(200_000)
    ('40 s', '60 min', '2.3 days')
    """
    for most, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (24 * 3600, 3600, "h")):
        if seconds < most:
            number = seconds / unit
            return f"{number:.1f} {name}" if name == "h" and number < 10 else f"{number:.0f} {name}"
    return f"{seconds / 86400:.1f} days"
