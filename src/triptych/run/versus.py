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
from triptych.report.elo import GameResult
from triptych.run.restore import find_in_run, load_config, prepare
from triptych.run.weights import read_state
from triptych.types import EVALUATE, ConfigurationError, EnvSpec, Explanation


class CheckpointPlayer:
    """A checkpoint of a run, which plays as in evaluations.

    Args:
        run_folder: of the run.
        checkpoint: ``best``, ``last`` or the path of a file.
        num_simulations: of its search, where it has one; ``None`` for as many as in training.
        is_trusted: whether the folder's configuration may name what is not this package's.

    Raises:
        ConfigurationError: the folder is of no game for two players, or cannot be used.
    """

    def __init__(
        self,
        run_folder: Path,
        checkpoint: str = "best",
        num_simulations: int | None = None,
        is_trusted: bool = False,
    ) -> None:
        cfg = load_config(run_folder, is_trusted=is_trusted)
        self.name = checkpoint if checkpoint in ("best", "last") else Path(checkpoint).stem
        with tempfile.TemporaryDirectory() as scratch:
            state = read_state(find_in_run(run_folder, checkpoint))
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


def play_each_other(
    make_game: Callable[[int], Any],
    players: tuple[CheckpointPlayer, CheckpointPlayer],
    numbers: tuple[int, int],
    num_games: int,
    seed: int = 0,
) -> list[GameResult]:
    """Play games between two checkpoints, each of which moves first in half of them; all games at the same time.

    So that games differ, each begins with two random moves, the same ones for both orders.

    Args:
        make_game: makes environments of the game, in which both sides are played.
        players: the two.
        numbers: theirs, for the results.
        num_games: an even number.
        seed: of the random moves.
    """
    game = make_game(num_games)
    observation, _ = game.reset(np.arange(num_games) // 2 + 1000 * seed, np.ones(num_games, bool))
    mover = np.arange(num_games) % 2  # who of the two is to move
    first, is_over = mover.copy(), np.zeros(num_games, bool)
    score, sign = np.full(num_games, 0.5), np.ones(num_games)
    openings = [np.random.default_rng((seed, index // 2)) for index in range(num_games)]
    move = 0
    while not is_over.all():
        action = np.zeros(num_games, np.int64)
        if move < 2:
            legal = game.spec.legal_actions(observation)
            for index in np.flatnonzero(~is_over).tolist():
                action[index] = openings[index].choice(np.flatnonzero(legal[index]))
        else:
            for which, player in enumerate(players):
                mine = np.flatnonzero((mover == which) & ~is_over)
                if len(mine):
                    action[mine] = player.choose(observation[mine])
        game.send(action)
        received = game.receive()
        ended = received.terminated & ~is_over
        score[ended] = 0.5 + 0.5 * np.sign(sign[ended] * received.reward[ended])
        is_over |= received.terminated
        sign[received.turn_passes] *= -1
        mover = np.where(received.turn_passes, 1 - mover, mover)
        observation, move = received.observation, move + 1
    game.close()
    return [
        GameResult(numbers[who], numbers[1 - who], float(won))
        for who, won in zip(first.tolist(), score.tolist(), strict=True)
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
