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


def check_room(needs: Needs, available: dict[str, int]) -> None:
    """Raise `ConfigurationError` if a run needs more than the ``available`` bytes of memory, disk or device."""
    for place, nbytes in needs.nbytes(needs.size).items():
        if nbytes > available[place]:
            fits = bisect.bisect_right(range(needs.size), available[place], key=lambda size: needs.nbytes(size)[place])
            largest = fits - 1
            raise ConfigurationError(
                f"{needs.key}={needs.size} takes {nbytes / 1e9:.2f} GB of {place}, which has "
                f"{available[place] / 1e9:.2f} GB to spare; the largest that fits is {needs.key}={largest}."
            )
