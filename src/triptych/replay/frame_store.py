"""One frame per step in a ring; stacks are gathered when they are asked for."""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triptych.files import replacing


class FrameStore:
    """N rings of single frames, ``[N, R, *frame_shape]``.

    An episode takes one row for each frame of its first stack and one more for each step, so the stack of any
    of its observations is the ``frame_stack`` rows that end at that observation's row.

    Args:
        num_envs: N.
        rows_per_env: R.
        observation_shape: ``[frame_stack · C, H, W]`` for stacked images, else as it is.
        observation_dtype: ``uint8`` or ``float32``.
        frame_stack: frames in one observation, 1 where observations are stored as they are.
        device: where the rings lie.
        path: file that holds the rings, memory-mapped; ``None`` for ordinary memory.
    """

    def __init__(
        self,
        num_envs: int,
        rows_per_env: int,
        observation_shape: tuple[int, ...],
        observation_dtype: str,
        frame_stack: int,
        *,
        device: str | torch.device = "cpu",
        path: Path | None = None,
    ) -> None:
        self.num_envs, self.rows_per_env, self.frame_stack = num_envs, rows_per_env, frame_stack
        self.observation_shape = observation_shape
        self.frame_shape = (observation_shape[0] // frame_stack, *observation_shape[1:])
        self._frame_size = math.prod(self.frame_shape)
        dtype = getattr(torch, observation_dtype)
        size = num_envs * rows_per_env * self._frame_size
        if path is None:
            frames = torch.empty(size, dtype=dtype, device=device)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            frames = torch.from_file(str(path), shared=True, size=size, dtype=dtype)
        self._frames = frames.view(num_envs * rows_per_env, self._frame_size)
        self.device = self._frames.device
        self.cursor = np.zeros(num_envs, dtype=np.int64)  # rows ever written, per environment
        self._stack_offsets = torch.arange(1 - frame_stack, 1)
        self._interleave = self._find_interleave()

    def _find_interleave(self) -> Callable[..., None] | None:
        is_for_it = self.device.type == "cpu" and self._frames.dtype == torch.uint8 and len(self.frame_shape) == 3
        if not is_for_it or self.frame_stack != 4 or self.frame_shape[0] != 1 or sys.byteorder != "little":
            return None
        from triptych.replay.interleave import interleave  # compiles, for which others need not wait

        return interleave

    def newest_frame(self, observation: np.ndarray) -> np.ndarray:
        """Return the last frame ``[N, *frame_shape]`` of each observation ``[N, *observation_shape]``."""
        return observation[:, -self.frame_shape[0] :]

    def frames_of(self, observation: np.ndarray) -> np.ndarray:
        """Return the frames ``[N, frame_stack, *frame_shape]`` of each observation, the oldest first."""
        return observation.reshape(len(observation), self.frame_stack, *self.frame_shape)

    def append(self, env_index: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Write one frame ``[E, *frame_shape]`` for each of ``env_index [E]``; return the rows ``[E]``."""
        row = self.cursor[env_index] % self.rows_per_env
        flat = torch.from_numpy(env_index * self.rows_per_env + row).to(self.device, non_blocking=True)
        values = torch.from_numpy(np.ascontiguousarray(frames)).to(self.device, non_blocking=True)
        self._frames.index_copy_(0, flat, values.view(len(env_index), self._frame_size))
        self.cursor[env_index] += 1
        return row

    def gather(self, index: Tensor) -> Tensor:
        """Return the observations ``[B, *observation_shape]`` that end at flat rows ``index [B]``.

        Stacks of four grey frames in memory come with channels last, which a convolution would otherwise arrange them
        into, at twice the cost of drawing them.
        """
        env_start = torch.div(index, self.rows_per_env, rounding_mode="floor") * self.rows_per_env
        row = index - env_start
        rows = env_start[:, None] + (row[:, None] + self._stack_offsets) % self.rows_per_env  # [B, stack]
        if self._interleave is not None:
            height, width = self.frame_shape[1:]
            stacks = torch.empty(len(index), height, width, self.frame_stack, dtype=torch.uint8)
            words = stacks.numpy().view(np.uint32).reshape(len(index), self._frame_size)
            self._interleave(self._frames.numpy(), rows.numpy(), words)
            return stacks.permute(0, 3, 1, 2)
        frames = self._frames.index_select(0, rows.view(-1).to(self.device, non_blocking=True))
        return frames.view(len(index), *self.observation_shape)

    def save_new_rows(self, path: Path, since: np.ndarray) -> dict[str, Any]:
        """Write the rows from ``since [N]`` to the cursor to a file; return what `load_rows` needs and a checksum."""
        crc32 = 0
        first = np.maximum(since, self.cursor - self.rows_per_env)
        with replacing(path) as temporary, temporary.open("wb") as file:
            for env_index in range(self.num_envs):
                for rows in self._segments(env_index, int(first[env_index]), int(self.cursor[env_index])):
                    data = self._frames[rows].cpu().numpy().data
                    file.write(data)
                    crc32 = zlib.crc32(data, crc32)
        return {
            "file": path.name,
            "first": first.tolist(),
            "last": self.cursor.tolist(),
            "nbytes": path.stat().st_size,
            "crc32": crc32,
        }

    def load_rows(self, path: Path, chunk: dict[str, Any]) -> None:
        """Put the rows of a file that `save_new_rows` wrote back into the rings."""
        with path.open("rb") as file:
            for env_index in range(self.num_envs):
                for rows in self._segments(env_index, chunk["first"][env_index], chunk["last"][env_index]):
                    target = self._frames[rows]
                    data = np.fromfile(file, dtype=_numpy_dtype(target.dtype), count=target.numel())
                    if data.size != target.numel():
                        raise OSError(f"{path} is cut short")
                    target.copy_(torch.from_numpy(data).view_as(target))

    def _segments(self, env_index: int, first: int, last: int) -> list[slice]:
        """Cut rows ``first`` to ``last`` of one ring into slices of flat rows."""
        segments = []
        while first < last:
            row = first % self.rows_per_env
            length = min(last - first, self.rows_per_env - row)
            start = env_index * self.rows_per_env + row
            segments.append(slice(start, start + length))
            first += length
        return segments


def _numpy_dtype(dtype: torch.dtype) -> np.dtype:
    return torch.empty(0, dtype=dtype).numpy().dtype
