"""Whether what a run needs fits into the machine."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import NamedTuple

from triptych.types import ConfigurationError


class Needs(NamedTuple):
    """What the data of a run take, and the setting by which they grow."""

    key: str  # of the configuration
    size: int  # its value
    nbytes: Callable[[int], dict[str, int]]  # size -> bytes of memory, disk and device; a larger one takes no fewer
    others: tuple[Needs, ...] = ()  # the same bytes by other settings


def check_room(needs: Needs, available: dict[str, int]) -> None:
    """Raise `ConfigurationError` if a run needs more than the ``available`` bytes of memory, disk or device."""
    for place, nbytes in needs.nbytes(needs.size).items():
        if nbytes > available[place]:
            raise ConfigurationError(_too_large(needs, place, available[place]))


def _too_large(needs: Needs, place: str, available: int) -> str:
    """Say how large the setting may be that takes most of it."""
    one = min((needs, *needs.others), key=lambda setting: setting.nbytes(0)[place])
    nbytes = one.nbytes(one.size)[place]
    fits = bisect.bisect_right(range(1, one.size), available, key=lambda size: one.nbytes(size)[place])
    said = f"{one.key}={one.size} takes {_gigabytes(nbytes)} of {place}, which has {_gigabytes(available)} to spare"
    if fits:
        return f"{said}; the largest that fits is {one.key}={fits}."
    rest = " or ".join(other.key for other in (needs, *needs.others) if other is not one)
    return f"{said}; even {one.key}=1 does not fit{f', a smaller {rest} may' if rest else ''}."


def _gigabytes(nbytes: int) -> str:
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.2f} MB"
