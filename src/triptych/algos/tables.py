"""What algorithms share whose values are a table: a row for each state, and no gradients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from triptych.algos.base import Algorithm, Batch
from triptych.functional.tables import value_iteration
from triptych.types import ConfigurationError, EmptyTurn, EnvSpec, Explanation, Rollout
from triptych.types.bounds import Seed

Tables = dict[str, np.ndarray]  # a module's buffers by their names


class TableStep(NamedTuple):
    """One step between numbered states."""

    state: int
    action: int
    reward: float
    discount: float  # γ, or 0 after termination
    next_state: int


class TableAlgorithm(Algorithm):
    """Learns from each step of a rollout once, by itself and in place; a subclass says how to act and to learn.

    Its tables are buffers, so that checkpoints hold them. They are a copy of the device's while it learns, on a CPU the
    device's own.

    Args:
        spec: of the environments; one with ``num_states``.
        discount: γ.
        seed: see `Algorithm`.

    Attributes:
        q_values: ``[S, A]`` float32.
        num_updates: ``[S, A]`` int64, of each value.
        optimal_q_values: ``[S, A]``, by value iteration on the environment's own model; ``None`` where it has none.
    """

    learns_in_one_process = True
    q_values: Tensor
    num_updates: Tensor

    def __init__(self, spec: EnvSpec, *, discount: float, seed: Seed) -> None:
        # The base's optimizer is never made.
        super().__init__(spec, seed=seed, learning_rate=1.0, adam_epsilon=1.0, max_grad_norm=float("inf"))
        shape = spec.num_states, spec.num_actions
        self.register_buffer("q_values", torch.zeros(shape))  # type: ignore[arg-type]
        self.register_buffer("num_updates", torch.zeros(shape, dtype=torch.int64))  # type: ignore[arg-type]
        self.discount, model = discount, spec.model
        self.optimal_q_values: np.ndarray | None = None
        if model is not None:
            transition, reward, is_terminal = map(torch.from_numpy, (model.transition, model.reward, model.is_terminal))
            self.optimal_q_values = value_iteration(transition, reward, is_terminal, discount).numpy()

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        super().check(spec)
        if spec.num_states is None:
            what = "pictures" if spec.is_image else "vectors"
            raise ConfigurationError(
                f"algo: {cls.__name__} looks values up in a table with a row for each state, but env={spec.name} shows "
                f"{what} of shape {list(spec.observation_shape)} and numbers no states; choose env=frozen_lake, "
                "cliff_walking, taxi or maze, or algo=dqn."
            )

    def explain(self, observation: Tensor) -> Explanation:
        q_values = self.q_values[observation.argmax(dim=-1)]  # [T, A]
        return Explanation(value=q_values.amax(dim=-1), q_values=q_values)

    def configure_optimizers(self) -> None:  # type: ignore[override]
        """There is none."""

    def learn(self, tables: Tables, step: TableStep) -> float:
        """Learn from one step, in place, and return its temporal-difference error."""
        raise NotImplementedError

    def training_step(self, batch: Batch, batch_index: int) -> None:
        if isinstance(batch, EmptyTurn):
            return
        assert isinstance(batch, Rollout)
        tables = {name: buffer.cpu().numpy() for name, buffer in self.named_buffers()}
        steps = [
            TableStep(*step)
            for step in zip(
                batch.observation.flatten(0, 1).argmax(dim=-1).tolist(),
                batch.action.flatten().tolist(),
                batch.reward.flatten().tolist(),
                batch.discount.flatten().tolist(),
                batch.next_observation.flatten(0, 1).argmax(dim=-1).tolist(),
                strict=True,
            )
        ]
        losses = [0.5 * self.learn(tables, steps[row]) ** 2 for row in batch.rows.flatten().tolist()]
        for name, buffer in self.named_buffers():
            buffer.copy_(torch.from_numpy(tables[name]))
        self.env_steps = batch.env_steps
        self.updates += len(losses)
        self.record(loss=sum(losses) / len(losses))

    def take_metrics(self) -> dict[str, float]:
        error = self.max_abs_error()
        return super().take_metrics() | ({} if error is None else {"train/max_abs_error": error})

    def max_abs_error(self) -> float | None:
        """Return max |Q - Q*| over the states in which an episode can act, now; ``None`` where Q* is not known."""
        model = self.spec.model
        if model is None or self.optimal_q_values is None:
            return None
        difference = np.abs(self.q_values.cpu().numpy() - self.optimal_q_values)
        return float(difference[model.is_reachable & ~model.is_terminal].max())
