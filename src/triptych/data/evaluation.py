"""Evaluation: whole episodes on fresh environments, from seeds that training never sees."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch.utils.data import IterableDataset

from triptych import ranks
from triptych.collect.collector import Act, BeginEpisodes, episode_seed, remember_nothing
from triptych.collect.evaluation import play_episodes
from triptych.data.starts import CONFIRM_STREAM, FewStartsPlan, Start
from triptych.types import EVALUATE, Episode, EvaluationResult, FewStarts, Game, GameFactory, Opposed
from triptych.types.bounds import Count


class EvaluationPlan(NamedTuple):
    """When a run is evaluated, and on how many episodes."""

    period_frames: Count  # between two evaluations during the run
    episodes: Count  # of each of them
    final_episodes: Count  # of the last one, played by the best checkpoint
    num_envs: Count = 8  # that share the episodes of one evaluation
    max_episode_steps: Count = 27_000  # env steps after which an episode is cut: not every policy ends its games


class Evaluator:
    """Plays evaluations.

    Args:
        make_game: makes fresh environments, so many of them.
        act: chooses the actions of ``[N, ...]`` observations; its keyword ``mode`` says how to play.
        seed: of the run.
        plan: which says how many environments share the episodes of one evaluation, and where episodes are cut.
        begin_episodes: is told before ``act`` which environments begin an episode, with the same keyword.

    Attributes:
        say: what a line is told to, once, when an episode was cut.
        is_playing: right now.
        episodes: of the latest evaluation in the mode that counts.
    """

    def __init__(
        self,
        make_game: GameFactory,
        act: Callable[..., object],
        seed: int,
        plan: EvaluationPlan,
        begin_episodes: Callable[..., None] | None = None,
    ) -> None:
        self.make_game, self.act, self.seed, self.plan = make_game, act, seed, plan
        self.begin_episodes = begin_episodes
        self.say: Callable[[str], None] = lambda line: None
        self.is_playing = self._has_said = False
        self.episodes: list[Episode] = []
        self._few_starts: FewStartsPlan | None = None

    def play(self, stream: int, num_episodes: int, mode: str = EVALUATE) -> list[Episode]:
        """Play whole episodes, always the same ones for the same stream."""
        act: Act = functools.partial(self.act, mode=mode)  # type: ignore[assignment]
        begin: BeginEpisodes = remember_nothing
        if self.begin_episodes is not None:
            begin = functools.partial(self.begin_episodes, mode=mode)
        game = self.make_evaluation_game(min(num_episodes, self.plan.num_envs))
        self.is_playing = True
        try:
            seeds, num_random_actions = zip(*self.starts(game, stream, num_episodes), strict=True)
            most = self.plan.max_episode_steps
            episodes = play_episodes(game, act, seeds, most, num_random_actions, begin)
        finally:
            self.is_playing = False
            game.close()
        if not self._has_said and any(episode.is_cut for episode in episodes):
            self._has_said = True
            self.say(f"Episodes of an evaluation were cut after eval.max_episode_steps={most}; their returns count.")
        if mode == EVALUATE:
            self.episodes = episodes
        return episodes

    def make_evaluation_game(self, num_envs: int) -> Game:
        """Make fresh environments as evaluations are played in: against an opponent where there is one."""
        game = self.make_game(num_envs)
        if isinstance(game, Opposed):
            game.face_opponent()
        return game

    def starts(self, game: Game, stream: int, num_episodes: int) -> list[Start]:
        """Return how the first episodes of a stream begin."""
        if game.spec.num_starts is None:
            return [Start(episode_seed(self.seed, stream, index)) for index in range(num_episodes)]
        if self._few_starts is None:
            few: FewStarts = game  # type: ignore[assignment]
            plan, num_starts = self.plan, game.spec.num_starts
            self._few_starts = FewStartsPlan(self.seed, num_starts, few.start_of, plan.episodes, plan.final_episodes)
        return self._few_starts.starts(stream, num_episodes)

    def returns(self, stream: int, num_episodes: int, mode: str = EVALUATE) -> list[float]:
        """Return what `play` comes to; the first process of the run plays, and tells the others."""
        return ranks.from_first(lambda: [one.episode_return for one in self.play(stream, num_episodes, mode)])

    def confirm(self) -> float:
        """Return the mean return of games that no evaluation plays, in the mode that counts."""
        latest = self.episodes
        mean = statistics.fmean(self.returns(CONFIRM_STREAM, self.plan.episodes))
        self.episodes = latest
        return mean


class EvaluationDataset(IterableDataset):
    """Yields one `EvaluationResult` for each of the actor's modes, then calls ``at_end``."""

    def __init__(
        self,
        evaluator: Evaluator,
        stream: int,
        num_episodes: int,
        modes: tuple[str, ...],
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.evaluator, self.stream, self.num_episodes = evaluator, stream, num_episodes
        self.modes, self.at_end = modes, at_end

    def __len__(self) -> int:
        return len(self.modes)

    def __iter__(self) -> Iterator[EvaluationResult]:
        for mode in self.modes:
            returns = self.evaluator.returns(self.stream, self.num_episodes, mode)
            if mode == self.modes[-1]:  # before the last is handed over: nobody asks for one more
                self.at_end()
            yield EvaluationResult(mode, torch.tensor(returns))
