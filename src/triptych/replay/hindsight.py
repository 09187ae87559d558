"""Replay of transitions as if something that was reached later had been the goal.

Hindsight experience replay: Andrychowicz et al. 2017, arXiv 1707.01495, with the strategy "future".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from triptych.replay.buffer import ReplayBuffer
from triptych.replay.frame_replay import Draw
from triptych.types import ConfigurationError, EnvSpec, GoalRule, Step
from triptych.types.bounds import Fraction

CHECKED_ROWS = 1000  # of each environment: whether rewards are what its goals say


class HindsightBuffer(ReplayBuffer):
    """Remembers transitions, and draws some of them with another goal and with what they are worth then.

    The goal is one that was reached later in the same episode, each step as likely; in an episode that still runs, as
    far as it is known. Transitions are stored as they were played and changed when they are drawn: each time anew.

    Args:
        hindsight_ratio: probability that a transition is drawn with another goal; k / (k + 1) in the paper.
        clip_rewards: whether rewards are clipped to their sign, as by the `Collector`.
        The rest: see `ReplayBuffer`.
    """

    def __init__(
        self, spec: EnvSpec, num_envs: int, *, hindsight_ratio: Fraction, clip_rewards: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(spec, num_envs, **kwargs)
        assert spec.goals is not None
        self.goals: GoalRule = spec.goals
        self.name, self.hindsight_ratio, self.clip_rewards = spec.name, hindsight_ratio, clip_rewards
        self._generator = np.random.default_rng((kwargs["seed"], 2))
        self._episode = np.full(num_envs, -1, dtype=np.int64)  # that runs in each environment
        # Of episode e, at e % R: its newest row, counted through as if the ring had no end. A ring of R rows has fewer
        # episodes than that.
        self._newest = np.zeros((num_envs, self.rows_per_env), dtype=np.int64)

    @classmethod
    def fields(cls, spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        return super().fields(spec) | {"episode": ((), np.int64)}

    @staticmethod
    def row_nbytes(**replay: Any) -> int:
        return np.dtype(np.int64).itemsize

    def _generators(self) -> list[np.random.Generator]:
        return [*super()._generators(), self._generator]

    def _state(self) -> dict[str, Any]:
        own = {"episode_of_env": torch.from_numpy(self._episode), "newest": torch.from_numpy(self._newest)}
        return super()._state() | own | {"generator": self._generator.bit_generator.state}

    def _load_state(self, state: dict[str, Any]) -> None:
        super()._load_state(state)
        self._episode, self._newest = state["episode_of_env"].numpy().copy(), state["newest"].numpy().copy()
        self._generator.bit_generator.state = state["generator"]

    def add(self, step: Step) -> None:
        """Add one vector step.

        Raises:
            ConfigurationError: the environment's rewards or ends are not those of its goals.
        """
        if self.store.cursor.max() < CHECKED_ROWS:
            self._check(step)
        self._episode += step.is_first
        super().add(step)
        newest = self.store.cursor - 1  # that of the next observation
        self.arrays["episode"][self._all_envs * self.rows_per_env + (newest - 1) % self.rows_per_env] = self._episode
        self._newest[self._all_envs, self._episode % self.rows_per_env] = newest

    def _check(self, step: Step) -> None:
        goals = (step.next_observation[:, place] for place in (self.goals.achieved, self.goals.desired))
        reward, is_terminal = self._outcome(*goals)
        for what, found, played in (("reward", reward, step.reward), ("end", is_terminal, step.is_terminal)):
            if found is not None and not np.allclose(found, played, rtol=1e-3, atol=1e-4):
                raise ConfigurationError(
                    f"algo.hindsight_ratio={self.hindsight_ratio:g} does not fit env={self.name}: a {what} was "
                    f"{played.tolist()} where its compute_{'reward' if what == 'reward' else 'terminated'} says "
                    f"{found.tolist()}; use algo.hindsight_ratio=0."
                )

    def _outcome(self, achieved: np.ndarray, desired: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the rewards ``[B]``, and where an episode ends, of steps that lead to ``achieved [B, G]``."""
        reward = self.goals.reward(achieved, desired)
        is_terminal = None if self.goals.is_terminal is None else self.goals.is_terminal(achieved, desired) > 0
        return np.sign(reward) if self.clip_rewards else reward, is_terminal

    def sample(self, batch_size: int, env_steps: int) -> Draw:
        """Draw transitions, with replacement; ``env_steps`` is the clock of the importance exponent."""
        draw = super().sample(batch_size, env_steps)
        (chosen,) = np.nonzero(self._generator.random(batch_size) < self.hindsight_ratio)
        if not len(chosen):
            return draw
        index = draw.indices[chosen]
        goal = self._achieved(self._later(index))
        reward, discount = self._window(index, goal)
        self._check_returns(reward)
        transition: Any = draw.sample  # of tensors that nobody else has
        for observation in (transition.observation, transition.next_observation):
            observation[chosen, self.goals.desired] = torch.from_numpy(goal).to(observation.device)
        transition.reward[chosen], transition.discount[chosen] = torch.from_numpy(reward), torch.from_numpy(discount)
        return draw

    def _later(self, index: np.ndarray) -> np.ndarray:
        """Draw for each of ``index [B]`` a later row of its episode."""
        env_index, row = np.divmod(index, self.rows_per_env)
        newest = self.store.cursor[env_index] - 1
        counted = newest - (newest - row) % self.rows_per_env
        last = self._newest[env_index, self.arrays["episode"][index] % self.rows_per_env]
        later = self._generator.integers(counted, last) + 1
        return env_index * self.rows_per_env + later % self.rows_per_env

    def _achieved(self, index: np.ndarray) -> np.ndarray:
        """Return the goals ``[B, G]`` that were reached in the rows ``index [B]``."""
        return self.store.gather(torch.from_numpy(index))[:, self.goals.achieved].cpu().numpy()

    def _window(self, index: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return reward and discount ``[B]`` of the windows that begin at ``index [B]``, had this been the goal."""
        row, num_steps = index % self.rows_per_env, self.arrays["num_steps"][index]
        total, discount = np.zeros(len(index), np.float32), np.ones(len(index), np.float32)
        for step in range(1, int(num_steps.max()) + 1):
            (at,) = np.nonzero((step <= num_steps) & (discount > 0))
            achieved = self._achieved(index[at] - row[at] + (row[at] + step) % self.rows_per_env)
            reward, is_terminal = self._outcome(achieved, goal[at])
            total[at] += discount[at] * reward
            discount[at] *= np.float32(self.accumulator.discount) * (1 if is_terminal is None else ~is_terminal)
        return total, discount if self.goals.is_terminal is not None else self.arrays["discount"][index]
