"""Replay for fictitious play: each player's own transitions, and all best responses that were ever played."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from triptych.replay.accumulator import OwnTurnAccumulator
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.frame_replay import Draw
from triptych.replay.reservoir import Reservoir
from triptych.types import EnvSpec, FictitiousSample, Step
from triptych.types.bounds import Between, Count, Fraction


class FictitiousBuffer(ReplayBuffer):
    """Remembers transitions from each turn of a player to the same player's next, and best responses.

    Args:
        reservoir_capacity: best responses kept, of all that were played each as likely.
        n_step: of a player's own turns; 1.
        discount: γ.
        The rest: see `ReplayBuffer`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        *,
        reservoir_capacity: Count,
        n_step: Annotated[int, Between(1, 1)],
        discount: Fraction,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, num_envs, n_step=n_step, discount=discount, **kwargs)
        longest = min(self.rows_per_env - spec.frame_stack - 1, np.iinfo(np.uint8).max)
        self.accumulator = OwnTurnAccumulator(num_envs, discount, longest)  # type: ignore[assignment]
        self.reservoir = Reservoir(reservoir_capacity, self._reservoir_fields(spec), (kwargs["seed"], 2))

    @staticmethod
    def _reservoir_fields(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        observation = (spec.observation_shape, spec.observation_dtype)
        return {"observation": observation, "action": (spec.action_shape, spec.action_dtype)}

    @staticmethod
    def num_drawn(**replay: Any) -> int:
        return ReplayBuffer.num_drawn(**replay) + 1

    @classmethod
    def more_nbytes(cls, spec: EnvSpec, **replay: Any) -> int:
        fields = cls._reservoir_fields(spec).values()
        row = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in fields)
        return replay["reservoir_capacity"] * row

    def __len__(self) -> int:
        return min(super().__len__(), len(self.reservoir))

    def _generators(self) -> list[np.random.Generator]:
        return [*super()._generators(), self.reservoir.generator]

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"reservoir": self.reservoir.state_dict()}

    def _load_state(self, state: dict[str, Any]) -> None:
        super()._load_state(state)
        self.reservoir.load_state_dict(state["reservoir"])

    def add(self, step: Step) -> None:
        """Add one vector step; ``step.extras`` holds which actions are best responses, ``is_best_response [N]``."""
        super().add(step)
        chosen = step.extras["is_best_response"]
        self.reservoir.add(observation=step.observation[chosen], action=step.action[chosen])

    def sample(self, batch_size: int, env_steps: int) -> Draw:
        """Draw transitions, and as many best responses, with replacement."""
        draw = super().sample(batch_size, env_steps)
        transition: Any = draw.sample
        responses = self.reservoir.sample(batch_size)
        sample = FictitiousSample._make([*transition, responses["observation"], responses["action"]])
        return draw._replace(sample=sample)
