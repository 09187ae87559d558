"""Functions that Numba compiles, once for all processes where a folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

njit: Any = numba.njit  # its overloads leave no choice between a signature and none


def compiled(*signature: str, **settings: Any) -> Callable[[Any], Any]:
    """Return a decorator like `numba.njit`, whose result is kept on disk where that is possible.

    Args:
        signature: of the arguments, to compile at once; none: at the first call.
        settings: of `numba.njit`.
    """

    def compile_function(function: Any) -> Any:
        try:
            return njit(*signature, cache=True, **settings)(function)
        except RuntimeError:  # neither the folder of the source nor the home can be written
            return njit(*signature, **settings)(function)

    return compile_function
