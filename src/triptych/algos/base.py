"""What every algorithm shares: the clock, the updates of a turn, metrics, optimizer, evaluation."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from triptych.functional.gradients import clip_gradients
from triptych.functional.schedules import linear_schedule
from triptych.types import (
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    LossOutput,
    NotFinite,
    ReplayBatch,
    Rollout,
    RolloutSteps,
    SegmentBatch,
)

Batch = ReplayBatch | SegmentBatch | Rollout


class Algorithm(pl.LightningModule):
    """One Lightning step covers the K updates of a turn; a subclass says how to act and what to minimise.

    Args:
        spec: of the environments.
        seed: of the module's own random choices.
        learning_rate, adam_epsilon: of Adam (Kingma & Ba 2015).
        max_grad_norm: to which the gradient of all parameters together is clipped.
        learning_rate_decay_env_steps: over which the learning rate falls to 0, linearly; ``None`` keeps it.

    Attributes:
        env_steps: agent decisions taken so far, over all environments.
        updates: gradient steps taken so far.
    """

    # Which environments it can play; the command line asks before anything starts.
    needs_discrete_actions = True
    # Each evaluation is played once in each; the first decides which checkpoint is the best.
    evaluation_modes: tuple[str, ...] = ("",)

    def __init__(
        self,
        spec: EnvSpec,
        *,
        seed: int,
        learning_rate: float,
        adam_epsilon: float,
        max_grad_norm: float,
        learning_rate_decay_env_steps: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.spec = spec
        self.learning_rate, self.adam_epsilon, self.max_grad_norm = learning_rate, adam_epsilon, max_grad_norm
        self.learning_rate_decay_env_steps = learning_rate_decay_env_steps
        self.env_steps, self.updates, self.evaluation_mode = 0, 0, ""
        self._generator = torch.Generator().manual_seed(seed)
        self._eval_generator = torch.Generator()
        self._metric_sums: dict[str, Tensor | float] = {}
        self._metric_counts: dict[str, int] = defaultdict(int)

    @property
    def generator(self) -> torch.Generator:
        """The source of random actions: one for training, one that every evaluation starts anew."""
        return self._generator if self.training else self._eval_generator

    def on_validation_start(self) -> None:
        self._eval_generator.manual_seed(0)

    on_test_start = on_validation_start

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        """Raise `ConfigurationError` where the algorithm cannot play."""
        if cls.needs_discrete_actions and spec.num_actions is None:
            raise ConfigurationError(
                f"algo: {cls.__name__} chooses among discrete actions, but env={spec.name} has continuous ones of "
                f"shape {spec.action_shape}; choose an env with discrete actions, or algo=ppo."
            )

    def act(self, observation: Tensor) -> ActorOutput:
        """Choose actions for ``[N, *observation_shape]``; explore while ``self.training``."""
        raise NotImplementedError

    def targets(self, rollout: Rollout) -> RolloutSteps:
        """Return all ``T · N`` steps of a rollout with what they should lead to (on-policy algorithms only)."""
        raise NotImplementedError

    def loss(self, minibatch: Any) -> LossOutput | None:
        """Return what an update minimises over a `Minibatch`, `SegmentMinibatch` or `RolloutSteps`, or ``None``."""
        raise NotImplementedError

    def after_update(self) -> None:
        """Do what follows each update, such as moving a target network."""

    def after_turn(self, batch: Any) -> None:
        """Do what follows the updates of each turn, such as counting its observations in."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        parameters = filter(lambda parameter: parameter.requires_grad, self.parameters())
        return torch.optim.Adam(parameters, lr=self.learning_rate, eps=self.adam_epsilon, fused=True)

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Run the K updates of one turn; raise `NotFinite` where a loss or its gradient is no finite number."""
        self._decay_learning_rate(optimizer := self.optimizers())
        parameters = optimizer.param_groups[0]["params"]
        priorities, latest = [], None
        for minibatch in self._minibatches(batch):
            output = self.loss(minibatch)
            if output is None:
                continue
            optimizer.zero_grad()
            self.manual_backward(output.loss)
            grad_norm = clip_gradients(parameters, self.max_grad_norm)
            if self.device.type == "cpu":
                self._check_finite(output, grad_norm, minibatch)
            optimizer.step()
            self.updates += 1
            self.after_update()
            latest = output, grad_norm, minibatch
            self.record(loss=output.loss, grad_norm=grad_norm, **output.metrics)
            if output.priorities is not None:
                priorities.append(output.priorities.detach())
        if latest is not None:  # what is not finite spreads, so that a GPU need not wait at every update
            self._check_finite(*latest)
        self.env_steps = batch.env_steps
        self.after_turn(batch)
        if priorities:
            self.trainer.datamodule.update_priorities(torch.stack(priorities))

    def _minibatches(self, batch: Batch) -> Iterator[Any]:
        if not isinstance(batch, Rollout):
            for update in range(len(batch.weight)):
                yield batch.minibatch(update)
        elif len(batch.rows):
            with torch.no_grad():
                steps = self.targets(batch)
            for rows in batch.rows:
                yield steps.at(rows)

    def _decay_learning_rate(self, optimizer: Any) -> None:
        if self.learning_rate_decay_env_steps is not None:
            rate = linear_schedule(self.env_steps, self.learning_rate, 0.0, self.learning_rate_decay_env_steps)
            optimizer.param_groups[0]["lr"] = rate
            self.record(learning_rate=rate)

    def _check_finite(self, output: LossOutput, grad_norm: Tensor, minibatch: Any) -> None:
        if not torch.isfinite(grad_norm + output.loss.detach()):
            what = f"the loss ({output.loss.item():g}) or its gradient ({grad_norm.item():g}) is not finite"
            way_out = "a smaller algo.learning_rate is the usual way out"
            raise NotFinite(f"{what} near update {self.updates + 1}; {way_out}", minibatch)

    def record(self, **metrics: Tensor | float) -> None:
        """Add scalars to the sums of this log interval, without leaving the device."""
        for name, value in metrics.items():
            value = value.detach().float() if isinstance(value, Tensor) else value
            self._metric_sums[name] = self._metric_sums.get(name, 0.0) + value
            self._metric_counts[name] += 1

    def take_metrics(self) -> dict[str, float]:
        """Return the means since the last call: the only place where training metrics leave the device."""
        sums, counts = self._metric_sums, self._metric_counts
        self._metric_sums, self._metric_counts = {}, defaultdict(int)
        return {f"train/{name}": float(total) / counts[name] for name, total in sums.items()}

    def validation_step(self, returns: Tensor, batch_index: int) -> None:
        values = [float(value) for value in returns]
        mean, mode = statistics.fmean(values), self.evaluation_modes[batch_index]
        metrics = {"eval/return_mean": mean, "eval/return_std": statistics.pstdev(values)}
        score = self.spec.human_normalized_score(mean)
        if score is not None:
            metrics["eval/human_normalized_score"] = score
        metrics = {f"{name}_{mode}" if mode else name: value for name, value in metrics.items()}
        # The loggers drop what Lightning files under global_step; the metrics callback files it under frames.
        self.log_dict(metrics, batch_size=1)

    test_step = validation_step

    def get_extra_state(self) -> dict[str, Any]:
        return {"env_steps": self.env_steps, "updates": self.updates, "generator": self._generator.get_state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.env_steps, self.updates = state["env_steps"], state["updates"]
        self._generator.set_state(state["generator"].cpu())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Where a run stands is told by the counters here and in the datamodule; Lightning's own count of
        # batches would make a continued run wait for batches that the interrupted epoch already had.
        checkpoint["loops"] = None
