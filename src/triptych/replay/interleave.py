"""Four frames into one stack with channels last, compiled: the layout in which convolutions on a CPU read pixels."""

from __future__ import annotations

import numpy as np

from triptych.compiled import compiled


@compiled("void(uint8[:, ::1], int64[:, ::1], uint32[:, ::1])", nogil=True)
def interleave(frames, rows, stacks):
    """Write ``stacks [B, P]``, words whose lowest byte is the oldest, from ``frames [R, P]`` and ``rows [B, 4]``."""
    for sample in range(len(rows)):
        oldest, older, newer, newest = rows[sample]
        first, second, third, fourth = frames[oldest], frames[older], frames[newer], frames[newest]
        stack = stacks[sample]
        for pixel in range(len(stack)):
            stack[pixel] = (
                np.uint32(first[pixel])
                | (np.uint32(second[pixel]) << np.uint32(8))
                | (np.uint32(third[pixel]) << np.uint32(16))
                | (np.uint32(fourth[pixel]) << np.uint32(24))
            )
