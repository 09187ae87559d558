"""What every way of learning shares: an actor, its environments, the clock and the evaluation."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from triptych.collect.collector import Collector, episode_seed
from triptych.collect.evaluation import play_episodes
from triptych.data.turns import Calendar, Turn
from triptych.types import Actor, ConfigurationError, EnvSpec, Episode, GameFactory

# Environments of these indices play evaluations: no training episode ever starts from their seeds.
# Validation during the run, the final test, and whoever asks later (scripts/evaluate.py).
VALIDATION_STREAM, TEST_STREAM, EVALUATE_STREAM = 2**30, 2**30 + 1, 2**30 + 2


def check_fits(key: str, count: int, nbytes: Callable[[int], int], available: int, where: str) -> None:
    """Raise `ConfigurationError` if a count takes more than the ``available`` bytes of memory, disk or device.

    Args:
        key: of the configuration, whose value the count is.
        nbytes: the bytes that a count takes; a larger one takes no fewer.
    """
    needed = nbytes(count)
    if needed > available:
        largest = bisect.bisect_right(range(count), available, key=nbytes) - 1
        raise ConfigurationError(
            f"{key}={count} takes {needed / 1e9:.2f} GB of {where}, which has {available / 1e9:.2f} GB to spare; "
            f"the largest that fits is {key}={largest}."
        )


class EvaluationDataset(IterableDataset):
    """Yields the returns ``[E]`` of E whole episodes on fresh environments, once for each of the actor's modes."""

    def __init__(self, datamodule: EnvironmentDataModule, stream: int, num_episodes: int) -> None:
        self.datamodule, self.stream, self.num_episodes = datamodule, stream, num_episodes
        # A plain actor knows one way to play.
        self.modes: tuple[str, ...] = getattr(datamodule.actor, "evaluation_modes", ("",))

    def __len__(self) -> int:
        return len(self.modes)

    def __iter__(self) -> Iterator[Tensor]:
        for mode in self.modes:
            episodes = self.datamodule.evaluate(self.stream, self.num_episodes, mode)
            if self.stream == VALIDATION_STREAM and mode == self.modes[-1]:
                self.datamodule.evaluated_turns = self.datamodule.turns
            yield torch.tensor([episode.episode_return for episode in episodes])


class TurnDataset(IterableDataset):
    """Yields one batch per turn until the epoch ends.

    Sized: Lightning draws one batch ahead from a dataset that is not, and that batch would come from a policy
    one turn old.
    """

    def __init__(self, datamodule: EnvironmentDataModule) -> None:
        self.datamodule = datamodule

    def __len__(self) -> int:
        if self.datamodule.owes_evaluation:
            return 1
        return self.datamodule.calendar.turns_left_in_epoch(self.datamodule.turns)

    def __iter__(self) -> Iterator[Any]:
        if self.datamodule.owes_evaluation:  # an empty turn, so that the epoch ends again
            yield self.datamodule.empty_batch()
            return
        for _ in range(len(self)):
            yield self.datamodule.play_turn()


class EnvironmentDataModule(pl.LightningDataModule):
    """Plays with an actor and hands on what the learner needs, in whole turns.

    Args:
        make_game: makes fresh environments, so many of them.
        actor: chooses the actions, in training and in evaluation.
        spec: of the environments.
        seed: of the run.
        num_envs: environments that step together.
        turn: env steps and updates of one turn.
        total_frames, eval_period_frames: rounded up to whole turns.
        eval_episodes, final_episodes: per evaluation during the run and at its end.
        eval_num_envs: environments that share an evaluation.
        directory: where checkpoints keep data that they do not hold themselves.
        clip_rewards, life_loss_is_terminal: see `Collector`.
    """

    def __init__(
        self,
        make_game: GameFactory,
        actor: Actor,
        spec: EnvSpec,
        *,
        seed: int,
        num_envs: int,
        turn: Turn,
        total_frames: int,
        eval_period_frames: int,
        eval_episodes: int,
        final_episodes: int,
        directory: Path,
        eval_num_envs: int = 8,
        clip_rewards: bool = False,
        life_loss_is_terminal: bool = False,
    ) -> None:
        super().__init__()
        self.make_game, self.actor, self.spec, self.seed = make_game, actor, spec, seed
        self.num_envs, self.turn = num_envs, turn
        self.eval_episodes, self.final_episodes = eval_episodes, final_episodes
        self.eval_num_envs, self.directory = eval_num_envs, directory
        self.test_stream = TEST_STREAM
        self.clip_rewards, self.life_loss_is_terminal = clip_rewards, life_loss_is_terminal
        self.calendar = Calendar.make(turn.env_steps, spec.frame_skip, total_frames, eval_period_frames)
        self.turns = 0
        self.evaluated_turns = 0  # when the latest evaluation during training was played
        self.is_evaluating = False  # right now
        self.ended_episodes: list[Episode] = []  # since a callback last took them
        self.evaluation_episodes: list[Episode] = []  # of the latest evaluation
        self._collector: Collector | None = None
        self._collector_state: dict[str, Any] | None = None

    @property
    def env_steps(self) -> int:
        return self.turns * self.turn.env_steps

    @property
    def frames(self) -> int:
        return self.env_steps * self.spec.frame_skip

    @property
    def total_frames(self) -> int:
        """The budget, rounded up to whole turns."""
        return self.calendar.total_turns * self.turn.env_steps * self.spec.frame_skip

    @property
    def is_finished(self) -> bool:
        return self.turns >= self.calendar.total_turns

    @property
    def owes_evaluation(self) -> bool:
        """Say whether an epoch has ended without its evaluation: a run was stopped just then."""
        is_end = self.turns % self.calendar.turns_per_epoch == 0 or self.is_finished
        return is_end and self.turns > 0 and self.evaluated_turns != self.turns

    @property
    def collector(self) -> Collector:
        """The training environments, made when training first asks for them: evaluation needs none."""
        if self._collector is None:
            self._collector = Collector(
                self.make_game(self.num_envs),
                self.act,
                self.seed,
                clip_rewards=self.clip_rewards,
                life_loss_is_terminal=self.life_loss_is_terminal,
            )
            if self._collector_state is not None:
                self._collector.load_state_dict(self._collector_state)
        return self._collector

    @torch.no_grad()
    def act(self, observation: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Ask the actor, on its device and in the trainer's precision; dataloaders run outside autocast."""
        assert self.trainer is not None
        on_device = torch.from_numpy(observation).to(self.trainer.strategy.root_device, non_blocking=True)
        with self.trainer.precision_plugin.forward_context():
            action, extras = self.actor.act(on_device)
        return action.cpu().numpy(), {name: value.cpu().numpy() for name, value in extras.items()}

    def evaluate(self, stream: int, num_episodes: int, mode: str = "") -> list[Episode]:
        """Play whole episodes on fresh environments, always the same ones for the same stream."""
        game = self.make_game(min(num_episodes, self.eval_num_envs))
        self.actor.evaluation_mode, self.is_evaluating = mode, True
        try:
            seeds = [episode_seed(self.seed, stream, index) for index in range(num_episodes)]
            episodes = play_episodes(game, self.act, seeds)
        finally:
            self.is_evaluating = False
            game.close()
            self.actor.evaluation_mode = ""
        if mode == "":
            self.evaluation_episodes = episodes
        return episodes

    def play_turn(self) -> Any:
        """Play one turn and return what the learner gets for it."""
        raise NotImplementedError

    def empty_batch(self) -> Any:
        """Return a turn without env steps and updates."""
        raise NotImplementedError

    def describe(self) -> dict[str, str]:
        """Say what a run should print about its data before it starts."""
        return {}

    def check_room(self, room: Callable[[str, Path], tuple[int, str]], save_period_frames: int) -> None:
        """Raise `ConfigurationError` if training needs more bytes than ``room(storage, directory)`` has.

        ``room`` returns the bytes and what they are bytes of; data are saved every ``save_period_frames``.
        Evaluation needs none, so nobody asks before one.
        """

    def save_data(self) -> None:
        """Save what a checkpoint does not hold, just before it is written."""

    def prune_data(self, env_steps: set[int]) -> None:
        """Delete what checkpoints at these ``env_steps`` do not need."""

    def take_ended_episodes(self) -> list[Episode]:
        """Return the training episodes that ended since the last call."""
        episodes, self.ended_episodes = self.ended_episodes, []
        return episodes

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TurnDataset(self), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(EvaluationDataset(self, VALIDATION_STREAM, self.eval_episodes), batch_size=None)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(EvaluationDataset(self, self.test_stream, self.final_episodes), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        collector = self._collector.state_dict() if self._collector is not None else self._collector_state
        return {"turns": self.turns, "evaluated_turns": self.evaluated_turns, "collector": collector}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.turns, self.evaluated_turns = state_dict["turns"], state_dict["evaluated_turns"]
        self._collector_state = state_dict["collector"]

    def teardown(self, stage: str) -> None:
        if stage == "fit" and self._collector is not None:
            self._collector_state = self._collector.state_dict()
            self._collector.game.close()
            self._collector = None
