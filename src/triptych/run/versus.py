"""Games between checkpoints, and between a checkpoint and opponents that the environment knows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from triptych.build import Experiment
from triptych.collect.evaluation import play_episodes
from triptych.collect.two_sided import TwoSidedGames
from triptych.report.elo import GameResult
from triptych.run.restore import checkpoint_name, load_checkpoint, load_config, prepare
from triptych.types import EVALUATE, ConfigurationError, EnvSpec, Explanation

RANDOM_MOVES = 2  # with which games begin where neither player nor chance makes them differ
MOST_MOVES = 10_000  # after which such a game is drawn


class CheckpointPlayer:
    """A checkpoint of a run, which plays as in evaluations.

    Args:
        run_folder: of the run.
        checkpoint: ``best``, ``last`` or the path of a file; by default ``best`` where there is one, else ``last``.
        num_simulations: of its search, where it has one; ``None`` for as many as in training.
        is_trusted: whether the folder's configuration may name what is not this package's.

    Raises:
        ConfigurationError: the folder is of no game for two players, or cannot be used.
    """

    def __init__(
        self,
        run_folder: Path,
        checkpoint: str | None = None,
        num_simulations: int | None = None,
        is_trusted: bool = False,
    ) -> None:
        cfg = load_config(run_folder, is_trusted=is_trusted)
        checkpoint = checkpoint_name(run_folder, checkpoint)
        self.name = checkpoint if checkpoint in ("best", "last") else Path(checkpoint).stem
        with tempfile.TemporaryDirectory() as scratch:
            _, state = load_checkpoint(run_folder, checkpoint, cfg)
            self.experiment: Experiment = prepare(cfg, state, Path(scratch), 1, 1, "cpu")
        self.spec, self.module = self.experiment.spec, self.experiment.module
        self.module.eval()
        if num_simulations is not None:
            if not hasattr(self.module, "num_simulations"):
                raise ConfigurationError(
                    f"{run_folder} is of an algorithm that does not search, so it has no number of simulations."
                )
            self.module.num_simulations = num_simulations  # type: ignore[assignment]
        self.module.on_test_start()

    @torch.no_grad()
    def choose(self, observation: np.ndarray) -> np.ndarray:
        """Return the actions ``[N]`` for observations ``[N, size]``."""
        return self.module.act(torch.from_numpy(observation), EVALUATE).action.numpy()

    def explain(self, observation: np.ndarray) -> Explanation:
        """Return what it thinks of observations ``[N, size]``."""
        return self.module.explain(torch.from_numpy(observation))


def check_two_players(spec: EnvSpec) -> None:
    """Check that a game is one for two.

    Raises:
        ConfigurationError: it is not.
    """
    if spec.num_players != 2:
        raise ConfigurationError(
            f"{spec.name} is no game for two players; give the folder of a run on one, such as env=tic_tac_toe or go."
        )


class Opening:
    """Random moves that a game begins with: the same ones for both orders of the players."""

    def __init__(self, seed: int, number: int) -> None:
        self._generator = np.random.default_rng((seed, number))

    def choose(self, legal: np.ndarray) -> int:
        """Return one of the actions that ``legal [A]`` allows."""
        return int(self._generator.choice(np.flatnonzero(legal)))


def play_each_other(
    make_game: Callable[[int], Any],
    players: tuple[CheckpointPlayer, CheckpointPlayer],
    numbers: tuple[int, int],
    num_games: int,
    seed: int = 0,
) -> list[GameResult]:
    """Play games between two checkpoints, each of which moves first in half of them; all games at the same time.

    So that games differ, each begins with two random moves, or where there is chance with its own cards or dice; they
    are the same for both orders.

    Args:
        make_game: makes environments of the game, in which both sides are played.
        players: the two.
        numbers: theirs, for the results.
        num_games: an even number.
        seed: of the random moves, and of chance.
    """
    games = TwoSidedGames(make_game(num_games))
    num_random = 0 if games.game.spec.has_chance else RANDOM_MOVES
    games.start(np.arange(num_games) // 2 + 1000 * seed)
    first = np.arange(num_games) % 2  # which of the two moves first
    openings = [Opening(seed, index // 2) for index in range(num_games)]
    for move in range(MOST_MOVES):
        running = np.flatnonzero(~games.is_over)
        if not len(running):
            break
        actions = np.zeros(num_games, np.int64)
        if move < num_random:
            legal = games.game.spec.legal_actions(games.observation)
            for index in running.tolist():
                actions[index] = openings[index].choose(legal[index])  # type: ignore[index]
        else:
            to_move = (first + games.mover) % 2
            for which, player in enumerate(players):
                mine = running[to_move[running] == which]
                if len(mine):
                    actions[mine] = player.choose(games.observation[mine])
        games.play(actions)
    games.game.close()
    return [
        GameResult(numbers[who], numbers[1 - who], (1 + outcome) / 2)
        for who, outcome in zip(first.tolist(), games.outcome.tolist(), strict=True)
    ]


class Record(NamedTuple):
    """How games went for one side."""

    won: int
    drawn: int
    lost: int

    @property
    def score(self) -> float:
        """Share of the games that were won, a draw counting half."""
        return (self.won + self.drawn / 2) / max(self.won + self.drawn + self.lost, 1)


def play_opponent(player: CheckpointPlayer, game: Any, num_games: int, seed: int = 0) -> tuple[Record, Record]:
    """Play against the opponent in ``game``, half of the games from each seat; return how it went in each.

    ``game`` is of as many environments as play at the same time, and plays one side itself.
    """
    records = []
    for seat in range(2):
        seeds = [2 * (index + 100_000 * seed) + seat for index in range(num_games // 2)]
        episodes = play_episodes(game, lambda seen: (player.choose(seen), {}), seeds)
        outcomes = np.sign([episode.episode_return for episode in episodes])
        records.append(Record(*(int((outcomes == outcome).sum()) for outcome in (1, 0, -1))))
    return records[0], records[1]
