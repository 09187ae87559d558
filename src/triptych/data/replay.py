"""Off-policy data: play, remember, draw."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triptych.data.datamodule import EnvironmentDataModule, check_fits
from triptych.data.turns import make_turn
from triptych.replay.buffer import NUM_SAVES, ReplayBuffer, check_holds, frames_nbytes, prune, saved_steps
from triptych.types import ReplayBatch, Transition


class ReplayDataModule(EnvironmentDataModule):
    """Yields one `ReplayBatch` per turn, drawn from what a collector plays.

    The order within a turn is fixed: receive what the last actions led to, remember it, choose new actions
    with the parameters as they are now, send them; then draw. So the emulators run while the learner updates,
    and the actions of turn k+1 use the parameters after turn k.

    Args:
        batch_size: transitions per update.
        env_steps_per_update: env steps, over all environments, that earn one update.
        learning_starts_env_steps: before which turns only fill the replay.
        replay: keywords of `ReplayBuffer` but for those that the run decides.
        The rest: see `EnvironmentDataModule`.
    """

    buffer_class: type[Any] = ReplayBuffer

    def __init__(
        self,
        *args: Any,
        num_envs: int,
        batch_size: int,
        env_steps_per_update: float,
        learning_starts_env_steps: int,
        replay: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        turn = make_turn(num_envs, env_steps_per_update)
        super().__init__(*args, num_envs=num_envs, turn=turn, **kwargs)
        self.batch_size, self.learning_starts_env_steps = batch_size, learning_starts_env_steps
        self.replay_kwargs = replay
        self._replay: Any = None
        self._replay_name: str | None = None  # under which the checkpoint saved it
        self._drawn = np.zeros(0, dtype=np.int64)

    @property
    def replay(self) -> Any:
        """The replay, made (and read back) when training first asks for it: evaluation never reads it."""
        if self._replay is None:
            assert self.trainer is not None
            self._replay = self.buffer_class(
                self.spec,
                self.num_envs,
                seed=self.seed,
                device=self.trainer.strategy.root_device,
                directory=self.directory,
                **self.replay_kwargs,
            )
            if self._replay_name is not None:
                self._replay.load(self.directory, self._replay_name)
        return self._replay

    def describe(self) -> dict[str, str]:
        capacity, storage = self.replay_kwargs["capacity_env_steps"], self.replay_kwargs["storage"]
        nbytes = self._nbytes(capacity)
        return {"replay": f"{capacity:,} env steps, {nbytes / 1e9:.2f} GB when full, in {storage}"}

    def check_room(self, room: Callable[[str, Path], tuple[int, str]], save_period_frames: int) -> None:
        key, storage = "algo.replay.capacity_env_steps", self.replay_kwargs["storage"]
        capacity = self.replay_kwargs["capacity_env_steps"]
        check_holds(capacity, self.num_envs, self.spec, self.buffer_class.reach(**self.replay_kwargs))
        if storage != "disk":
            check_fits(key, capacity, self._nbytes, *room(storage, self.directory))
        nbytes = functools.partial(self._disk_nbytes, save_period_env_steps=save_period_frames // self.spec.frame_skip)
        check_fits(key, capacity, nbytes, *room("disk", self.directory))

    def _nbytes(self, capacity_env_steps: int) -> int:
        is_prioritized = self.replay_kwargs["is_prioritized"]
        return self.buffer_class.nbytes(capacity_env_steps, self.num_envs, self.spec, is_prioritized)

    def _disk_nbytes(self, capacity_env_steps: int, save_period_env_steps: int) -> int:
        """Return the bytes of what checkpoints keep of the replay, and of the replay itself where it is on disk."""
        frames = frames_nbytes(capacity_env_steps, self.num_envs, self.spec)
        steps = saved_steps(capacity_env_steps, save_period_env_steps)
        played = min(steps, self.total_frames // self.spec.frame_skip)
        saved = frames_nbytes(played, self.num_envs, self.spec)
        indices = NUM_SAVES * (self._nbytes(capacity_env_steps) - frames)
        is_on_disk = self.replay_kwargs["storage"] == "disk"
        return saved + indices + is_on_disk * frames

    def play_turn(self) -> Any:
        replay, collector = self.replay, self.collector
        for _ in range(self.turn.vector_steps):
            step, episodes = collector.receive()
            replay.add(step)
            self.ended_episodes += episodes
            collector.send()
        self.turns += 1
        updates = self.turn.updates if self.env_steps >= self.learning_starts_env_steps and len(replay) else 0
        if updates == 0:
            return self.empty_batch()
        draw = replay.sample(updates * self.batch_size, self.env_steps)
        self._drawn = draw.indices
        leading = (updates, self.batch_size)
        fields = (field.view(*leading, *field.shape[1:]) for field in draw.sample)
        return self._batch(type(draw.sample)(*fields), draw.weight.view(leading))

    def update_priorities(self, priorities: Tensor) -> None:
        """Send the priorities ``[K, B]`` of the latest turn's samples back to replay."""
        if self.replay_kwargs["is_prioritized"]:
            self.replay.update_priorities(self._drawn, priorities.flatten().cpu().numpy())

    def empty_batch(self) -> Any:
        return self._batch(self._no_sample(), torch.empty((0, self.batch_size)))

    def _batch(self, sample: Any, weight: Tensor) -> Any:
        return ReplayBatch(sample, weight, self.env_steps)

    def _no_sample(self) -> Any:
        """Return the sample of no update, with leading axes ``[0, B]`` and the types of any other."""
        observation = torch.empty((0, self.batch_size, *self.spec.observation_shape), dtype=self._observation_dtype)
        action_dtype = torch.float32 if self.spec.num_actions is None else torch.int64
        action = torch.empty((0, self.batch_size, *self.spec.action_shape), dtype=action_dtype)
        scalar = torch.empty((0, self.batch_size))
        return Transition(observation, action, scalar, scalar, observation)

    @property
    def _observation_dtype(self) -> torch.dtype:
        return getattr(torch, self.spec.observation_dtype)

    def save_data(self) -> None:
        """Save the replay beside a checkpoint that is about to be written."""
        self._replay_name = str(self.env_steps)
        self.replay.save(self.directory, self._replay_name)

    def prune_data(self, env_steps: set[int]) -> None:
        """Delete the replay files that checkpoints at these ``env_steps`` do not need."""
        prune(self.directory, {str(count) for count in env_steps})

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"replay": self._replay_name}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._replay_name = state_dict["replay"]
