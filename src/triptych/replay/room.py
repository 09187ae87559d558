"""What a replay takes of memory, disk and device."""

from __future__ import annotations

import math

import numpy as np

from triptych.replay.frame_replay import FrameReplay, rows_per_env
from triptych.types import EnvSpec

NUM_SAVES = 3  # on disk at once: the last, the one before it, and the next until it is whole


def frame_nbytes(spec: EnvSpec) -> int:
    """Return the bytes of one frame."""
    return math.prod(spec.observation_shape) // spec.frame_stack * np.dtype(spec.observation_dtype).itemsize


def replay_nbytes(
    buffer_class: type[FrameReplay],
    spec: EnvSpec,
    num_envs: int,
    *,
    capacity_env_steps: int,
    storage: str,
    prioritized: bool,
    save_period_env_steps: int = 0,
    total_env_steps: int = 0,
    more_row_nbytes: int = 0,
    more_nbytes: int = 0,
) -> dict[str, int]:
    """Return the bytes of ``memory``, ``disk`` and ``device`` that a full replay takes, what is saved of it included.

    The frames lie in the storage, everything else in memory. A save reaches back over the capacity, its oldest file by
    up to a period more, and two saves come after it; each has an index with all but the frames. The rows of each
    episode's first stack are not counted.

    Args:
        save_period_env_steps: between two saves; 0 where nothing is saved.
        total_env_steps: that the run will ever play.
        more_row_nbytes: of each row, beside its frame and the fields.
        more_nbytes: of what is kept beside the rows.
    """
    num_rows = rows_per_env(capacity_env_steps, num_envs) * num_envs
    frame = frame_nbytes(spec)
    fields = buffer_class.fields(spec).values()
    row = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in fields) + more_row_nbytes
    # A sum tree has 8 bytes for each of its nodes, the uniform sampler a flag for each row.
    sampler = 16 << max(num_rows - 1, 1).bit_length() if prioritized else num_rows
    index = num_rows * row + sampler + more_nbytes

    needed = {"memory": index, "disk": 0, "device": 0}
    needed[storage] += num_rows * frame
    if save_period_env_steps:
        reach = capacity_env_steps + NUM_SAVES * min(save_period_env_steps, capacity_env_steps)
        saved_rows = rows_per_env(min(reach, total_env_steps), num_envs) * num_envs
        needed["disk"] += saved_rows * frame + NUM_SAVES * index
    return needed
