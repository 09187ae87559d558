"""Replay of transitions: windows of at most n steps, drawn one by one."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import torch

from triptych.replay.accumulator import NStepAccumulator
from triptych.replay.frame_replay import Draw, FrameReplay
from triptych.types import ConfigurationError, EnvSpec, Step, Transition
from triptych.types.bounds import Between, Fraction


class ReplayBuffer(FrameReplay):
    """Remembers transitions.

    Args:
        n_step: longest window.
        discount: γ.
        largest_return: magnitude of a window's rewards beyond which whoever learns from them could not tell one from
            another.
        The rest: see `FrameReplay`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        *,
        n_step: Annotated[int, Between(1, 255)],
        discount: Fraction,
        largest_return: float = math.inf,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, num_envs, reach=self.reach(n_step=n_step), **kwargs)
        self.largest_return = largest_return
        self.accumulator = NStepAccumulator(num_envs, n_step, discount)

    @classmethod
    def fields(cls, spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        return super().fields(spec) | {"num_steps": ((), np.uint8)}

    @staticmethod
    def reach(**replay: Any) -> int:
        return replay["n_step"]

    def _forget_open(self, env_index: np.ndarray) -> None:
        self.accumulator.reset(env_index)

    def _state(self) -> dict[str, Any]:
        return {"accumulator": self.accumulator.state_dict()}

    def _load_state(self, state: dict[str, Any]) -> None:
        self.accumulator.load_state_dict(state["accumulator"])

    def add(self, step: Step) -> None:
        """Add one vector step.

        Raises:
            ConfigurationError: rewards are larger than what can be learned.
        """
        row = self._add_frames(step)
        windows = self.accumulator.add(step.reward, step.is_terminal, step.is_last, step.turn_passes)
        self._check_returns(windows.reward)
        opened = (row[windows.env_index] + 1 - windows.num_steps) % self.rows_per_env
        index = windows.env_index * self.rows_per_env + opened
        self.arrays["reward"][index] = windows.reward
        self.arrays["discount"][index] = windows.discount
        self.arrays["num_steps"][index] = windows.num_steps
        self.sampler.enable(index)

    def _check_returns(self, reward: np.ndarray) -> None:
        largest = float(np.abs(reward).max(initial=0.0))
        if largest > self.largest_return:
            extreme = float(reward[np.abs(reward).argmax()])
            raise ConfigurationError(
                f"algo.support_limit={self.largest_return:g} is too small: it holds returns from "
                f"{-self.largest_return:g} to {self.largest_return:g}, and the rewards of algo.n_step steps came to "
                f"{extreme:.4g}; choose a larger one."
            )

    def sample(self, batch_size: int, env_steps: int) -> Draw:
        """Draw transitions, with replacement; ``env_steps`` is the clock of the importance exponent."""
        self._remember_chance()
        index, weight = self.sampler.draw(batch_size, env_steps)
        row = index % self.rows_per_env
        next_index = index - row + (row + self.arrays["num_steps"][index]) % self.rows_per_env
        transition = Transition(
            observation=self.store.gather(torch.from_numpy(index)),
            action=torch.from_numpy(self.arrays["action"][index]),
            reward=torch.from_numpy(self.arrays["reward"][index]),
            discount=torch.from_numpy(self.arrays["discount"][index]),
            next_observation=self.store.gather(torch.from_numpy(next_index)),
        )
        return Draw(transition, torch.from_numpy(weight), index)
