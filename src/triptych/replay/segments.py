"""Replay of whole stretches of episodes, with what the search said when they were played."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import torch

from triptych.replay.frame_replay import Draw, FrameReplay
from triptych.types import ConfigurationError, EnvSpec, Segment, Step
from triptych.types.bounds import Between, Count, Fraction


class SegmentBuffer(FrameReplay):
    """Remembers episodes step by step and draws segments: U steps to unroll and n more for the returns of each.

    A row may be drawn when the segment from it is known: U + n steps have followed, or the episode (or the life)
    has ended. Beyond an end, a segment is padded: no reward, the end's value, no policy.

    Args:
        unroll_steps: U.
        n_step: n, of the value targets.
        num_observations: how many observations a segment carries, the first included.
        discount: γ.
        value_prefix: sums of rewards are learned instead of each reward.
        largest_reward, largest_value: magnitudes beyond which whoever learns from the segments could not tell a reward
            (or a sum of them), or a value, from another.
        seed: of the draws.
        The rest: see `FrameReplay`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        *,
        unroll_steps: Count,
        n_step: Annotated[int, Between(1, 255)],
        discount: Fraction,
        seed: int,
        num_observations: Count = 1,
        value_prefix: bool = False,
        largest_reward: float = math.inf,
        largest_value: float = math.inf,
        **kwargs: Any,
    ) -> None:
        assert spec.num_actions is not None
        self.unroll_steps, self.length, self.discount = unroll_steps, unroll_steps + n_step, discount
        reach = self.reach(unroll_steps=unroll_steps, n_step=n_step)
        super().__init__(spec, num_envs, reach=reach, seed=seed, **kwargs)
        self.num_observations, self.num_actions = num_observations, spec.num_actions
        self._num_open = np.zeros(num_envs, dtype=np.int64)  # latest steps that nothing can start at yet
        self._latest_rewards = np.zeros((unroll_steps, num_envs))  # of the running episodes, the newest last
        self.value_prefix = value_prefix
        self.largest_reward, self.largest_value = largest_reward, largest_value
        self._generator = np.random.default_rng((seed, 1))

    @classmethod
    def fields(cls, spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        searched = {"value": ((), np.float32), "action_weights": ((spec.num_actions or 0,), np.float32)}
        return super().fields(spec) | {"is_last": ((), bool)} | searched

    @staticmethod
    def reach(**replay: Any) -> int:
        return replay["unroll_steps"] + replay["n_step"] + 1

    @staticmethod
    def num_drawn(**replay: Any) -> int:
        return replay.get("num_observations", 1)

    def _forget_open(self, env_index: np.ndarray) -> None:
        self._num_open[env_index] = 0
        self._latest_rewards[:, env_index] = 0.0

    def _generators(self) -> list[np.random.Generator]:
        return [*super()._generators(), self._generator]

    def _state(self) -> dict[str, Any]:
        return {
            "generator": self._generator.bit_generator.state,
            "num_open": torch.from_numpy(self._num_open),
            "latest_rewards": torch.from_numpy(self._latest_rewards),
        }

    def _load_state(self, state: dict[str, Any]) -> None:
        self._generator.bit_generator.state = state["generator"]
        self._num_open = state["num_open"].numpy().copy()
        self._latest_rewards = state["latest_rewards"].numpy().copy()

    def add(self, step: Step) -> None:
        """Add one vector step; ``step.extras`` holds the search's ``value [N]`` and ``action_weights [N, A]``.

        Raises:
            ConfigurationError: a reward is larger than what can be learned.
        """
        row = self._add_frames(step)
        self._check_rewards(step.reward)
        index = self._all_envs * self.rows_per_env + row
        self.arrays["reward"][index] = step.reward
        self.arrays["discount"][index] = step.discount(self.discount)
        self.arrays["is_last"][index] = step.is_last
        self.arrays["value"][index] = step.extras["value"]
        self.arrays["action_weights"][index] = step.extras["action_weights"]

        self._num_open += 1
        # The step whose U + n successors, and the value after them, are known; at an end all that are open.
        is_known = self._num_open > self.length
        self._enable(is_known & ~step.is_last, row, age=self.length)
        for age in range(int(self._num_open[step.is_last].max(initial=0))):
            self._enable(step.is_last & (age < self._num_open), row, age)
        self._num_open = np.where(step.is_last, 0, self._num_open - is_known)
        self._latest_rewards[:, step.is_last] = 0.0

    def _check_rewards(self, reward: np.ndarray) -> None:
        self._latest_rewards = np.concatenate([self._latest_rewards[1:], reward[None]])
        sums = self._latest_rewards[::-1].cumsum(axis=0)  # over the latest 1 to U steps of the episode
        learned = sums if self.value_prefix else reward
        # A state may be worth at least one reward.
        for name, largest, seen in (("reward", self.largest_reward, learned), ("value", self.largest_value, reward)):
            extreme = float(seen.flat[np.abs(seen).argmax()])
            if abs(extreme) > largest:
                raise ConfigurationError(
                    f"algo.{name}_support_limit is too small: it holds {name}s up to {largest:.4g}, and a reward "
                    f"(with algo.value_prefix a sum of them) was {extreme:.4g}; choose a larger one."
                )

    def _enable(self, mask: np.ndarray, row: np.ndarray, age: int) -> None:
        """Let segments start ``age`` steps before ``row [N]`` in the environments of ``mask [N]``."""
        self.sampler.enable(self._all_envs[mask] * self.rows_per_env + (row[mask] - age) % self.rows_per_env)

    def sample(self, batch_size: int, env_steps: int) -> Draw:
        """Draw segments, with replacement; ``env_steps`` is the clock of the importance exponent."""
        self._remember_chance()
        index, weight = self.sampler.draw(batch_size, env_steps)
        return Draw(self._segment(index), torch.from_numpy(weight), index)

    def _segment(self, index: np.ndarray) -> Segment:
        row = index % self.rows_per_env
        steps = np.arange(self.length + 1)
        rows = (index - row)[:, None] + (row[:, None] + steps) % self.rows_per_env  # [B, L + 1]
        is_last = self.arrays["is_last"][rows]
        # The step at which the segment ends, L where it goes on.
        end = np.where(is_last[:, :-1].any(axis=1), is_last[:, :-1].argmax(axis=1), self.length)[:, None]
        is_step = steps <= end  # beyond the end there is nothing
        is_terminal = (end < self.length) & (np.take_along_axis(self.arrays["discount"][rows], end, axis=1) == 0)

        # The last observation of a truncated episode was not searched: the value before stands for it.
        at_end = np.take_along_axis(rows, end, axis=1)
        # Its discount says whose value it is: below 0 the turn has passed.
        sign = np.sign(self.arrays["discount"][at_end])
        end_value = np.where(is_terminal, 0.0, sign * self.arrays["value"][at_end]).astype(np.float32)
        actions = self.arrays["action"][rows[:, : self.unroll_steps]]
        random_actions = self._generator.integers(self.num_actions, size=actions.shape)
        unrolled = slice(0, self.unroll_steps + 1)
        observed = rows[:, : self.num_observations]
        # Where nothing follows, the last observation is shown again.
        last_observed = np.take_along_axis(rows, np.minimum(end + 1, self.length), axis=1)
        observed = np.where(steps[: self.num_observations] <= end + 1, observed, last_observed)
        frames = self.store.gather(torch.from_numpy(observed.ravel()))
        return Segment(
            observation=frames.view(*observed.shape, *frames.shape[1:]),
            action=torch.from_numpy(np.where(is_step[:, : self.unroll_steps], actions, random_actions)),
            reward=torch.from_numpy(np.where(is_step, self.arrays["reward"][rows], 0)[:, :-1].astype(np.float32)),
            discount=torch.from_numpy(np.where(is_step, self.arrays["discount"][rows], 1)[:, :-1].astype(np.float32)),
            value=torch.from_numpy(np.where(is_step, self.arrays["value"][rows], end_value)),
            action_weights=torch.from_numpy(self.arrays["action_weights"][rows[:, unrolled]]),
            is_step=torch.from_numpy(is_step),
            is_known=torch.from_numpy((is_step | is_terminal)[:, unrolled].copy()),
        )
