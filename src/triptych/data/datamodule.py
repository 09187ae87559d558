"""What every way of learning shares: an actor that plays in whole turns, and datasets over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset

from triptych import ranks
from triptych.collect.collector import Collector
from triptych.data.clock import Clock
from triptych.data.evaluation import EvaluationDataset, EvaluationPlan, Evaluator
from triptych.data.room import Needs
from triptych.data.starts import TEST_STREAM, VALIDATION_STREAM
from triptych.data.turns import Turn
from triptych.types import EVALUATE, EXPLORE, Actor, EmptyTurn, EnvSpec, Episode, GameFactory, RunInterrupted
from triptych.types.bounds import Count, Seed
from triptych.types.returned import check_actor_output


class TurnDataset(IterableDataset):
    """Yields one batch per turn until the epoch ends.

    Sized: Lightning draws one batch ahead from a dataset that is not, and that batch would come from a policy
    one turn old.
    """

    def __init__(self, datamodule: EnvironmentDataModule) -> None:
        self.datamodule, self.clock = datamodule, datamodule.clock

    def __len__(self) -> int:
        return 1 if self.clock.owes_evaluation else self.clock.turns_left_in_epoch

    def __iter__(self) -> Iterator[Any]:
        if self.clock.owes_evaluation:
            yield EmptyTurn(self.clock.env_steps)
            return
        for _ in range(len(self)):
            batch = self.datamodule.play_turn()
            self.datamodule.gather_episodes()
            yield batch


class EnvironmentDataModule(pl.LightningDataModule):
    """Plays with an actor and hands on what the learner needs, in whole turns.

    Args:
        make_game: makes fresh environments, so many of them.
        actor: chooses the actions, in training and in evaluation.
        spec: of the environments.
        seed: of the run.
        num_envs: environments that step together, over all processes of the run; so are all other totals.
        turn: env steps and updates of one turn.
        total_frames: the budget, rounded up to whole turns.
        evaluation: when and how much; its period is rounded up to whole turns.
        directory: where checkpoints keep data that they do not hold themselves.
        clip_rewards, life_loss_is_terminal: see `Collector`.

    Attributes:
        num_own_envs: those of this process.
        clock: where the run stands.
        evaluator: plays the evaluations.
        is_stopping: whether someone asked the run to stop; then the next env step raises `RunInterrupted`.
        test_stream: of the episodes that ``trainer.test`` plays.
        say: what a line about the data is told to.
    """

    def __init__(
        self,
        make_game: GameFactory,
        actor: Actor,
        spec: EnvSpec,
        *,
        seed: Seed,
        num_envs: Count,
        turn: Turn,
        total_frames: Count,
        evaluation: EvaluationPlan,
        directory: Path,
        clip_rewards: bool = False,
        life_loss_is_terminal: bool = False,
    ) -> None:
        super().__init__()
        self.make_game, self.actor, self.spec, self.seed = make_game, actor, spec, seed
        self.num_envs, self.directory, self.plan = num_envs, directory, evaluation
        self.num_own_envs = num_envs // ranks.size()
        self.clip_rewards, self.life_loss_is_terminal = clip_rewards, life_loss_is_terminal
        self.clock = Clock(turn, spec.frame_skip, total_frames=total_frames, period_frames=evaluation.period_frames)
        self.evaluator = Evaluator(make_game, self.act, seed, evaluation, self.begin_episodes)
        self.test_stream = TEST_STREAM
        self.say: Callable[[str], None] = lambda line: None
        self.ended_episodes: list[Episode] = []  # since a callback last took them
        self.is_stopping = False
        self._collector: Collector | None = None
        self._collector_state: dict[str, Any] | None = None

    @property
    def collector(self) -> Collector:
        """The training environments, made when training first asks for them: evaluation needs none."""
        if self._collector is None:
            self._collector = Collector(
                self.make_game(self.num_own_envs),
                self.act,
                self.seed,
                clip_rewards=self.clip_rewards,
                life_loss_is_terminal=self.life_loss_is_terminal,
                begin_episodes=self.begin_episodes,
            )
            if self._collector_state is not None:
                reason = self._collector.load_state_dict(self._collector_state)
                if reason is not None:
                    self.say(f"Running episodes could not be played again ({reason}); new ones start in their place.")
        return self._collector

    @property
    def is_filling(self) -> bool:
        """Whether what is played now is only remembered: nothing is learned from it yet."""
        return False

    def begin_episodes(self, is_first: np.ndarray, mode: str = EXPLORE) -> None:
        """Tell an actor that may remember which environments ``[N]`` begin an episode."""
        if hasattr(self.actor, "begin_episodes"):  # a plain actor may have no memory
            self.actor.begin_episodes(torch.from_numpy(is_first), mode)

    @torch.no_grad()
    def act(self, observation: np.ndarray, mode: str = EXPLORE) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Ask the actor, on its device and in the trainer's precision; dataloaders run outside autocast."""
        assert self.trainer is not None
        if mode != EXPLORE:  # training has its own moments
            self.stop_if_asked()
        on_device = torch.from_numpy(observation).to(self.trainer.strategy.root_device, non_blocking=True)
        knows_modes = hasattr(self.actor, "evaluation_modes")
        with self.trainer.precision_plugin.forward_context():
            output = self.actor.act(on_device, *([mode] if knows_modes else []))
        check_actor_output(self.actor, output, len(observation), self.spec.action_shape)
        action, extras = output
        return action.cpu().numpy(), {name: value.cpu().numpy() for name, value in extras.items()}  # type: ignore

    def stop_if_asked(self) -> None:
        """Raise `RunInterrupted` where someone asked for it; the state is one from which the run can go on."""
        if self.is_stopping:
            raise RunInterrupted

    def play_turn(self) -> Any:
        """Play one turn and return what the learner gets for it; between two of its steps, `stop_if_asked`."""
        raise NotImplementedError

    def put_off(self) -> None:
        """Take note that the latest turn's last updates are made when the run goes on, as it is stopping now."""
        raise NotImplementedError

    def describe(self) -> dict[str, str]:
        """What a run should print about its data before it starts, a line for each name."""
        return {}

    def needs(self, save_period_frames: int) -> Needs:
        """What training takes of the machine if data are saved every ``save_period_frames``; evaluation takes none."""
        raise NotImplementedError

    def save_data(self) -> None:
        """Save what a checkpoint does not hold, just before it is written."""

    def check_saved(self, state_dict: dict[str, Any]) -> None:
        """Raise `ConfigurationError` where what `save_data` has saved beside a checkpoint is of other observations."""

    def prune_data(self, env_steps: set[int]) -> None:
        """Delete what checkpoints at these ``env_steps`` do not need."""

    def gather_episodes(self) -> None:
        """Bring the episodes that ended in a turn to the first process, in the order of one that plays them all."""
        if ranks.size() > 1:
            episodes = [episode for episodes in ranks.gather(self.ended_episodes) for episode in episodes]
            self.ended_episodes = sorted(episodes, key=lambda episode: (episode.frames, episode.env_index))

    def take_ended_episodes(self) -> list[Episode]:
        """Return the training episodes that ended since the last call."""
        episodes, self.ended_episodes = self.ended_episodes, []
        return episodes

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TurnDataset(self), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        def at_end() -> None:
            self.clock.evaluated_turns = self.clock.turns

        return self._evaluation(VALIDATION_STREAM, self.plan.episodes, at_end)

    def test_dataloader(self) -> DataLoader:
        return self._evaluation(self.test_stream, self.plan.final_episodes)

    def _evaluation(self, stream: int, num_episodes: int, *at_end: Any) -> DataLoader:
        modes = getattr(self.actor, "evaluation_modes", (EVALUATE,))  # a plain actor knows one way to play
        return DataLoader(EvaluationDataset(self.evaluator, stream, num_episodes, modes, *at_end), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        collector = self._collector.state_dict() if self._collector is not None else self._collector_state
        return self.clock.state_dict() | {"collector": collector}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.clock.load_state_dict(state_dict)
        self._collector_state = state_dict["collector"]

    def teardown(self, stage: str) -> None:
        if stage == "fit" and self._collector is not None:
            self._collector_state = self._collector.state_dict()
            self._collector.game.close()
            self._collector = None
