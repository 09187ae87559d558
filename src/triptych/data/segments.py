"""Off-policy data for models: play with search, remember, draw stretches of episodes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych.data.replay import ReplayDataModule
from triptych.replay.segments import SegmentBuffer
from triptych.types import Range, Segment, SegmentBatch


class SegmentDataModule(ReplayDataModule):
    """Yields one `SegmentBatch` per turn; the rhythm is that of `ReplayDataModule`."""

    buffer_class = SegmentBuffer

    def _batch(self, sample: Segment, weight: Tensor) -> SegmentBatch:
        nothing = Range(0.0, 0.0)
        ranges = (nothing, nothing) if self._replay is None else (self._replay.reward_range, self._replay.prefix_range)
        return SegmentBatch(sample, weight, self.env_steps, *ranges)

    def _no_sample(self) -> Segment:
        unroll_steps = self.replay_kwargs["unroll_steps"]
        length, num_observations = unroll_steps + self.replay_kwargs["n_step"], self.replay_kwargs["num_observations"]

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Any:
            return torch.empty((0, self.batch_size, *shape), dtype=dtype)

        return Segment(
            observation=empty(num_observations, *self.spec.observation_shape, dtype=self._observation_dtype),
            action=empty(unroll_steps, dtype=torch.int64),
            reward=empty(length),
            discount=empty(length),
            value=empty(length + 1),
            action_weights=empty(unroll_steps + 1, self.spec.num_actions or 0),
            is_step=empty(length + 1, dtype=torch.bool),
            is_known=empty(unroll_steps + 1, dtype=torch.bool),
        )
