"""Replay of stretches of what environments showed, with the state that a network's memory had at their beginning."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch

from triptych.replay.buffer import ReplayBuffer
from triptych.replay.frame_replay import Draw
from triptych.types import EnvSpec, Step, StoredSequence
from triptych.types.bounds import Between, Count, CountOrZero, Fraction

WINDOW = ("action", "reward", "discount", "num_steps")  # what is known of the window that begins at a row


class SequenceBuffer(ReplayBuffer):
    """Remembers transitions, and draws each with the rows before and after it, of whatever episodes they are.

    Args:
        burn_in_steps: P, rows before the one that is drawn.
        sequence_steps: U, rows to learn from, the one that is drawn the first of them.
        n_step: n, longest window.
        discount: γ.
        state_size: numbers of a state of the network's memory, which whoever plays knows.
        The rest: see `FrameReplay`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        *,
        burn_in_steps: CountOrZero,
        sequence_steps: Count,
        n_step: Annotated[int, Between(1, 255)],
        discount: Fraction,
        state_size: int = 0,
        **kwargs: Any,
    ) -> None:
        self.burn_in_steps, self.sequence_steps, self.n_step = burn_in_steps, sequence_steps, n_step
        super().__init__(spec, num_envs, n_step=n_step, discount=discount, history=burn_in_steps, **kwargs)
        self.arrays["hidden_state"] = np.zeros((num_envs * self.rows_per_env, state_size), np.float32)

    @classmethod
    def fields(cls, spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        return super().fields(spec) | {"is_first": ((), bool)}

    @staticmethod
    def reach(**replay: Any) -> int:
        return replay.get("burn_in_steps", 0) + replay["n_step"]

    @staticmethod
    def num_drawn(**replay: Any) -> int:
        return replay.get("burn_in_steps", 0) + replay["sequence_steps"] + replay["n_step"]

    @staticmethod
    def row_nbytes(**replay: Any) -> int:
        return replay["state_size"] * np.dtype(np.float32).itemsize

    def add(self, step: Step) -> None:
        """Add one vector step; ``step.extras`` holds the ``hidden_state [N, H]`` before its observation."""
        super().add(step)
        rings = self._all_envs * self.rows_per_env
        index = rings + (self.store.cursor - 2) % self.rows_per_env  # of the observation that was acted upon
        self.arrays["hidden_state"][index] = step.extras["hidden_state"]
        self.arrays["is_first"][index] = step.is_first
        # The row of the next observation, which may be the last of its episode, has been another one's before.
        self.arrays["is_first"][rings + (self.store.cursor - 1) % self.rows_per_env] = False

    def sample(self, batch_size: int, env_steps: int) -> Draw:
        """Draw sequences, with replacement; ``env_steps`` is the clock of the importance exponent."""
        self._remember_chance()
        index, weight = self.sampler.draw(batch_size, env_steps)
        return Draw(self._sequences(index), torch.from_numpy(weight), index)

    def _sequences(self, index: np.ndarray) -> StoredSequence:
        env_index, row = np.divmod(index, self.rows_per_env)
        newest = self.store.cursor[env_index] - 1  # counted through, as if the ring had no end
        drawn = newest - (newest - row) % self.rows_per_env
        offsets = np.arange(-self.burn_in_steps, self.sequence_steps + self.n_step)
        counted = drawn[:, None] + offsets  # [B, L]
        # Where nothing was played, before the first row or after the newest, the row beside it is shown again.
        shown = np.clip(counted, 0, newest[:, None])
        rows = env_index[:, None] * self.rows_per_env + shown % self.rows_per_env
        frames = self.store.gather(torch.from_numpy(rows.ravel()))
        learned = slice(self.burn_in_steps, self.burn_in_steps + self.sequence_steps)
        is_played = counted[:, learned] <= newest[:, None]
        rows_learned = rows[:, learned]
        is_known = is_played & self.sampler.is_enabled(rows_learned.ravel()).reshape(rows_learned.shape)
        window = {name: torch.from_numpy(self.arrays[name][rows_learned]) for name in WINDOW}
        return StoredSequence(
            observation=frames.view(*rows.shape, *frames.shape[1:]),
            is_first=torch.from_numpy(self.arrays["is_first"][rows]),
            hidden_state=torch.from_numpy(self.arrays["hidden_state"][rows[:, 0]]),
            action=window["action"],
            reward=window["reward"],
            discount=window["discount"],
            num_steps=window["num_steps"].long(),
            is_known=torch.from_numpy(is_known),
        )
