"""On-policy data: play, learn, forget."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from triptych import ranks
from triptych.data.datamodule import EnvironmentDataModule
from triptych.data.reward_scaling import RewardScaling
from triptych.data.room import Needs
from triptych.data.turns import Turn
from triptych.types import EXPLORE, ConfigurationError, Rollout, Step, chance_seed
from triptych.types.bounds import Count, Fraction


class RolloutDataModule(EnvironmentDataModule):
    """Yields one `Rollout` per turn, all of it played with the parameters after the turn before.

    Args:
        rollout_length: vector steps of a rollout, T.
        discount: γ.
        normalize_rewards: see `RewardScaling`.
        num_epochs: times that each step of a rollout is learned from.
        num_minibatches: updates per epoch; they share the steps of the rollout evenly, in an order drawn anew
            for each epoch.
        The rest: see `EnvironmentDataModule`.

    Raises:
        ConfigurationError: the steps of a rollout cannot be shared evenly.
    """

    def __init__(
        self,
        *args: Any,
        num_envs: Count,
        rollout_length: Count,
        discount: Fraction,
        normalize_rewards: bool = False,
        num_epochs: Count = 1,
        num_minibatches: Count = 1,
        **kwargs: Any,
    ) -> None:
        num_rows, what = self.rows_of(num_envs, rollout_length)
        if num_rows % (num_minibatches * ranks.size()):
            share = f", shared by trainer.devices={ranks.size()}" if ranks.size() > 1 else ""
            raise ConfigurationError(
                f"algo.num_minibatches={num_minibatches} does not divide {what}{share}; choose numbers that do."
            )
        turn = Turn(rollout_length, num_envs * rollout_length, num_epochs * num_minibatches)
        super().__init__(*args, num_envs=num_envs, turn=turn, **kwargs)
        self.discount, self.num_epochs, self.num_minibatches = discount, num_epochs, num_minibatches
        self._num_own_rows = num_rows // ranks.size()
        self.reward_scaling = RewardScaling(self.num_own_envs, discount) if normalize_rewards else None
        self._generator = torch.Generator().manual_seed(chance_seed(self.seed, "minibatches", ranks.rank()))

    @staticmethod
    def rows_of(num_envs: int, rollout_length: int) -> tuple[int, str]:
        """Return how many rows of a rollout the minibatches share, and what they are, in words."""
        num_rows = num_envs * rollout_length
        what = f"env.num_envs={num_envs} times algo.rollout_length={rollout_length} = {num_rows} env steps"
        return num_rows, f"a rollout of {what}"

    def needs(self, save_period_frames: int) -> Needs:
        observation_nbytes = math.prod(self.spec.observation_shape) * np.dtype(self.spec.observation_dtype).itemsize
        # As they come, and again as the observations and the next observations of the rollout.
        nbytes = 3 * self.num_envs * observation_nbytes
        length = self.clock.turn.vector_steps
        return Needs("algo.rollout_length", length, lambda count: {"memory": count * nbytes})

    def play_turn(self) -> Rollout:
        steps, collector, length = [], self.collector, self.clock.turn.vector_steps
        before = self._before_turn() if length > 1 else None  # before the first step there is nothing to forget
        for _ in range(length):
            if self.is_stopping and before is not None:  # the rollout is played anew when the run goes on
                self._turn_back(before)
            self.stop_if_asked()
            step, episodes = collector.receive()  # sends first: nothing is in flight between two turns
            if self.reward_scaling is not None:
                step = step._replace(reward=self.reward_scaling(step.reward, step.is_first, step.is_last))
            steps.append(step)
            self.ended_episodes += episodes
        self.clock.turns += 1
        return self._rollout(steps)

    def _before_turn(self) -> tuple[dict[str, Any], torch.Tensor | None, dict[str, Any] | None]:
        chance = getattr(self.actor, "generator", None)  # of the actions; a plain actor may have none
        memory = getattr(self.actor, "hidden_states", None)  # of a recurrent network
        return (
            self.state_dict(),
            chance(EXPLORE).get_state() if chance is not None else None,
            memory.state_dict() if memory is not None else None,
        )

    def _turn_back(self, before: tuple[dict[str, Any], torch.Tensor | None, dict[str, Any] | None]) -> None:
        """Forget what was played since ``before``: episodes, clocks, what was seen of rewards, chances, memories."""
        state, chance, memory = before
        assert self._collector is not None
        self._collector.game.close()  # where it stands is of no use: it is made anew when the run goes on
        self._collector = None
        self.load_state_dict(state)
        if chance is not None:
            self.actor.generator(EXPLORE).set_state(chance)  # type: ignore[attr-defined]
        if memory is not None:
            self.actor.hidden_states.load_state_dict(memory)  # type: ignore[attr-defined]
        self.ended_episodes = []

    def _rollout(self, steps: list[Step]) -> Rollout:
        observation, action, reward, _, is_last, is_first, next_observation, extras = zip(*steps, strict=True)
        return Rollout(
            observation=_stack(observation),
            action=_stack(action),
            reward=_stack(reward),
            discount=_stack([step.discount(self.discount) for step in steps]),
            is_last=_stack(is_last),
            next_observation=_stack(next_observation),
            extras={name: _stack([extra[name] for extra in extras]) for name in extras[0] if name != "turn_passes"},  # type: ignore
            rows=self._rows(),
            env_steps=self.clock.env_steps,
            is_first=_stack(is_first),
        )

    def _rows(self) -> torch.Tensor:
        num_rows = self._num_own_rows
        epochs = [torch.randperm(num_rows, generator=self._generator) for _ in range(self.num_epochs)]
        return torch.cat(epochs).view(self.clock.turn.updates, num_rows // self.num_minibatches)

    def state_dict(self) -> dict[str, Any]:
        scaling = self.reward_scaling.state_dict() if self.reward_scaling is not None else None
        return super().state_dict() | {"generator": self._generator.get_state(), "reward_scaling": scaling}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._generator.set_state(state_dict["generator"].cpu())
        if self.reward_scaling is not None:
            self.reward_scaling.load_state_dict(state_dict["reward_scaling"])


class SequenceDataModule(RolloutDataModule):
    """The same, but each minibatch is of whole sequences: all steps of some environments, in order of time.

    Args:
        num_minibatches: updates per epoch; they share the environments evenly, in an order drawn anew for each epoch.
        The rest: see `RolloutDataModule`.
    """

    @staticmethod
    def rows_of(num_envs: int, rollout_length: int) -> tuple[int, str]:
        return num_envs, f"the sequences of a rollout, env.num_envs={num_envs}"


def _stack(arrays: Any) -> torch.Tensor:
    return torch.from_numpy(np.stack(arrays))
