"""What every algorithm shares, and the loop that they all run in.

From one turn to the next, in this order, whoever learns:

 1. `data/replay.py` or `data/rollout.py`, ``play_turn``: T vector steps, in each of which
 2.   `collect/collector.py`, ``receive``: what the last actions led to; ended episodes start anew from their own seeds;
 3.   `replay/buffer.py`, ``add``: the step is remembered (on policy it waits in the rollout);
 4.   `collect/collector.py`, ``send``: this file's module chooses actions by ``act`` and the emulators set off.
 5. `replay/samplers.py` draws the minibatches of K updates; Lightning moves them to the device.
 6. ``training_step`` below, K times: ``loss``, backward, clip, optimizer step, ``after_update``.
 7. ``after_turn``; new priorities go back to replay.
 8. `callbacks/`: episodes and metrics are filed, a checkpoint is saved if one is due.
 9. After an evaluation period, Lightning's validation: `data/evaluation.py` plays whole episodes, ``validation_step``.
10. `callbacks/finish.py` ends the run where frames are used up or the game is solved; else the next turn begins.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from triptych import ranks
from triptych.algos.metric_means import MetricMeans
from triptych.functional.gradients import clip_gradients
from triptych.functional.schedules import linear_schedule
from triptych.networks.action_scale import actions_in_words, all_actions
from triptych.networks.linear import tell_of_steps
from triptych.types import (
    EVALUATE,
    EXPLORE,
    ActorOutput,
    ConfigurationError,
    EmptyTurn,
    EnvSpec,
    EvaluationResult,
    Explanation,
    LossOutput,
    NotFinite,
    ReplayBatch,
    Rollout,
    RolloutSequences,
    RolloutSteps,
    chance_seed,
)
from triptych.types.bounds import AtLeastOrInfinite, Count, Positive, Seed
from triptych.types.returned import check_loss_output, check_metrics

Batch = ReplayBatch | Rollout | EmptyTurn


class Algorithm(pl.LightningModule):
    """One Lightning step covers the K updates of a turn; a subclass says how to act and what to minimise.

    Args:
        spec: of the environments.
        seed: of the run; each of the module's sources of chance derives from it.
        learning_rate, adam_epsilon: of Adam (Kingma & Ba 2015).
        max_grad_norm: to which the gradient of all parameters together is clipped.
        learning_rate_decay_env_steps: over which the learning rate falls to 0, linearly; ``None`` keeps it.

    Attributes:
        env_steps: agent decisions taken so far, over all environments.
        updates: gradient steps taken so far.
        skipped_updates: minibatches without a loss, in this process.
        learning_generator: the source of noise in updates, such as augmentation.
        is_stopping: whether someone asked the run to stop; off policy the rest of a turn's updates then waits until the
            run goes on.
    """

    # Which environments it can play; the command line asks before anything starts.
    needs_discrete_actions = True
    # Whether it leaves out actions that observations say are not allowed.
    respects_masks = False
    # Whether each loss has a gradient for every parameter; where several processes learn, they must know.
    uses_all_parameters = True
    # Whether it cannot be shared by several processes.
    learns_in_one_process = False
    # Each evaluation is played once in each; the first decides which checkpoint is the best.
    evaluation_modes: tuple[str, ...] = (EVALUATE,)

    def __init__(
        self,
        spec: EnvSpec,
        *,
        seed: Seed,
        learning_rate: Positive,
        adam_epsilon: Positive,
        max_grad_norm: Annotated[float, AtLeastOrInfinite(1e-12)],
        learning_rate_decay_env_steps: Count | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.spec = spec
        self.learning_rate, self.adam_epsilon, self.max_grad_norm = learning_rate, adam_epsilon, max_grad_norm
        self.learning_rate_decay_env_steps = learning_rate_decay_env_steps
        self.env_steps, self.updates, self.is_stopping = 0, 0, False
        self.skipped_updates = 0
        self.seed = seed
        self._exploration = torch.Generator().manual_seed(chance_seed(seed, "exploration", ranks.rank()))
        self._evaluation = torch.Generator()
        self.learning_generator = torch.Generator().manual_seed(chance_seed(seed, "learning", ranks.rank()))
        self._metrics = MetricMeans()
        self._turn_updates = 0  # minibatches of the current turn that are done, and their priorities
        self._turn_priorities: list[Tensor] = []

    def generator(self, mode: str = EXPLORE) -> torch.Generator:
        """Return the source of random actions: one for training, one that every evaluation starts anew."""
        return self._exploration if mode == EXPLORE else self._evaluation

    def on_validation_start(self) -> None:
        self._evaluation.manual_seed(chance_seed(self.seed, "evaluation"))

    on_test_start = on_validation_start

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        """Raise `ConfigurationError` where it cannot play."""
        if cls.needs_discrete_actions and spec.num_actions is None:
            raise ConfigurationError(
                f"algo: {cls.__name__} chooses among discrete actions, but env={spec.name} has "
                f"{actions_in_words(spec)}; choose an env with discrete actions, or {all_actions(spec)}."
            )
        if spec.has_mask and not cls.respects_masks:
            more = "nfsp, muzero or alphazero" if spec.num_players > 1 else "or muzero, or say env.action_masks=false"
            raise ConfigurationError(
                f"algo: {cls.__name__} does not leave out actions that are not allowed, as env={spec.name} says of "
                f"some; choose algo=dqn, pqn, reinforce, a2c, ppo, {more}."
            )

    def begin_episodes(self, is_first: Tensor, mode: str = EXPLORE) -> None:
        """Take note, before `act`, of the environments ``[N]`` in which an episode begins: a memory forgets there."""

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        """Choose actions for ``[N, *observation_shape]``; ``mode`` is `EXPLORE` or one of ``evaluation_modes``."""
        raise NotImplementedError

    def explain(self, observation: Tensor) -> Explanation:
        """Say what it thinks of ``[T, *observation_shape]``, observations of one game in their order, when evaluated.

        Pictures may come as float32, the gradient of their ``value`` is asked for. A game comes in several pieces;
        ``on_test_start`` is called before the first, so what remembers earlier observations forgets them there. Draws
        no random numbers from the module's own generators. By default it is what `act` says beside its actions.
        """
        state = self._evaluation.get_state()
        extras = self.act(observation, EVALUATE).extras
        self._evaluation.set_state(state)
        return Explanation(value=extras.get("value"), action_probs=extras.get("action_weights"))

    def targets(self, rollout: Rollout) -> RolloutSteps | RolloutSequences:
        """Return all ``T · N`` steps of a rollout with what they should lead to; on-policy algorithms only."""
        raise NotImplementedError(f"{type(self).__name__} has no targets, so it cannot learn from rollouts")

    def loss(self, minibatch: Any) -> LossOutput | None:
        """Return what an update minimises over a `Minibatch` or `RolloutSteps`, or ``None``."""
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def after_update(self) -> None:
        """Do what follows each update, such as moving a target network."""

    def after_turn(self, batch: Any) -> None:
        """Do what follows the updates of each turn, such as counting its observations in."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        parameters = filter(lambda parameter: parameter.requires_grad, self.parameters())
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, eps=self.adam_epsilon, fused=True)
        tell_of_steps(optimizer)
        return optimizer

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Run the K updates of one turn; raise `NotFinite` where a loss or its gradient is no finite number."""
        if isinstance(batch, EmptyTurn):
            return
        self._decay_learning_rate(optimizer := self.optimizers())
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        latest = None
        for minibatch in self._minibatches(batch):
            if self.is_stopping and isinstance(batch, ReplayBatch):
                self.trainer.datamodule.put_off()
                return
            self._turn_updates += 1
            output = self.loss(minibatch)
            if output is None:
                self.skipped_updates += 1
                continue
            check_loss_output(self, output)
            optimizer.zero_grad()
            self.manual_backward(output.loss)
            grad_norm = clip_gradients(parameters, self.max_grad_norm)
            if self.device.type == "cpu":
                self._check_finite(output, grad_norm, minibatch)
            optimizer.step()
            self.updates += 1
            self.after_update()
            latest = output, grad_norm, minibatch
            self.record(**output.metrics | {"loss": output.loss, "grad_norm": grad_norm})
            if output.priorities is not None:
                self._turn_priorities.append(output.priorities.detach())
        if latest is not None:  # what is not finite spreads, so that a GPU need not wait at every update
            self._check_finite(*latest)
        self.env_steps = batch.env_steps
        self.after_turn(batch)
        if self._turn_priorities:
            # Those from before a stop come from a checkpoint, which is read into ordinary memory.
            on_device = [priorities.to(self.device) for priorities in self._turn_priorities]
            self.trainer.datamodule.update_priorities(torch.stack(on_device))
        self._turn_updates, self._turn_priorities = 0, []

    def _minibatches(self, batch: ReplayBatch | Rollout) -> Iterator[Any]:
        if isinstance(batch, ReplayBatch):
            for update in range(self._turn_updates, len(batch.weight)):
                yield batch.minibatch(update)
        else:
            with torch.no_grad():
                steps = self.targets(batch)
            for rows in batch.rows:
                yield steps.at(rows)

    def _decay_learning_rate(self, optimizer: Any) -> None:
        if self.learning_rate_decay_env_steps is not None:
            rate = linear_schedule(self.env_steps, self.learning_rate, 0.0, self.learning_rate_decay_env_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            self.record(learning_rate=rate)

    def _check_finite(self, output: LossOutput, grad_norm: Tensor, minibatch: Any) -> None:
        if not torch.isfinite(grad_norm + output.loss.detach()):
            raise NotFinite(
                f"the loss ({output.loss.item():g}) or its gradient ({grad_norm.item():g}) is not finite near update "
                f"{self.updates + 1}; a smaller algo.learning_rate is the usual way out",
                minibatch,
            )

    def record(self, **metrics: Tensor | float) -> None:
        """Add scalars to the means of this log interval, without leaving the device.

        Raises:
            ConfigurationError: one is no single number.
        """
        check_metrics(self, metrics)
        self._metrics.add(metrics)

    def take_metrics(self) -> dict[str, float]:
        """Return the means since the last call."""
        return {f"train/{name}": mean for name, mean in self._metrics.take().items()}

    def validation_step(self, result: EvaluationResult, batch_index: int) -> None:
        values = [float(value) for value in result.returns]
        mean = statistics.fmean(values)
        metrics = {"eval/return_mean": mean, "eval/return_std": statistics.pstdev(values)}
        score = self.spec.human_normalized_score(mean)
        if score is not None:
            metrics["eval/human_normalized_score"] = score
        suffix = result.mode.removeprefix(EVALUATE)  # "_without_search"
        is_training = self.trainer.state.fn == "fit"  # then the metrics callback files them, as a row under frames
        metrics = {f"{name}{suffix}": value for name, value in metrics.items()}
        self.log_dict(metrics, batch_size=1, logger=not is_training)

    test_step = validation_step

    def get_extra_state(self) -> dict[str, Any]:
        return {
            "env_steps": self.env_steps,
            "updates": self.updates,
            "exploration": self._exploration.get_state(),
            "learning": self.learning_generator.get_state(),
            "metrics": self._metrics.state_dict(),
            "turn_updates": self._turn_updates,
            "turn_priorities": list(self._turn_priorities),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.env_steps, self.updates = state["env_steps"], state["updates"]
        self._exploration.set_state(state["exploration"].cpu())
        self.learning_generator.set_state(state["learning"].cpu())
        self._metrics.load_state_dict(state["metrics"])
        self._turn_updates, self._turn_priorities = state["turn_updates"], list(state["turn_priorities"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Where a run stands is told by the counters here and in the datamodule; Lightning's own count of
        # batches would make a continued run wait for batches that the interrupted epoch already had.
        checkpoint["loops"] = None
