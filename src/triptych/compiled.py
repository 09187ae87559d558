"""Functions that Numba compiles, once for all processes where a folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

njit: Any = numba.njit  # its overloads leave no choice between a signature and none


def compiled(*signature: str, jit: Any = None, **settings: Any) -> Callable[[Any], Any]:
    """Return a decorator like `numba.njit`, whose result is kept on disk where that is possible.

    Args:
        signature: of the arguments, to compile at once; none: at the first call.
        jit: another decorator of Numba's, such as `numba.cuda.jit`, that takes the same.
        settings: of `numba.njit`, or of ``jit``.
    """

    def compile_function(function: Any) -> Any:
        compile_with = njit if jit is None else jit
        try:
            return compile_with(*signature, cache=True, **settings)(function)
        except RuntimeError:  # neither the folder of the source nor the home can be written
            return compile_with(*signature, **settings)(function)

    return compile_function
