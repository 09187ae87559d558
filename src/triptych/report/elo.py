"""Ratings of players from the games between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ELO_PER_NAT = 400 / np.log(10)
PRIOR_DRAWS = 1.0  # of each player with one of rating 0: whoever has won or lost every game keeps a finite rating


class GameResult(NamedTuple):
    """One game between two of the players, by their numbers."""

    first: int
    second: int
    score: float  # of the first: 1 won, 0.5 drawn, 0 lost


class Rating(NamedTuple):
    """Of one player, in Elo points; the mean of all players is 0."""

    elo: float
    low: float  # ends of the 95 % interval
    high: float


def fit_elo(num_players: int, games: Sequence[GameResult], num_steps: int = 100) -> np.ndarray:
    """Return the ratings under which the games are the most likely (Bradley & Terry 1952), by Newton's method.

    A draw counts as half a game won; each player also has a draw with an imagined one of rating 0.
    """
    wins = np.zeros((num_players, num_players))
    for first, second, score in games:
        wins[first, second] += score
        wins[second, first] += 1 - score
    played, rating = wins + wins.T, np.zeros(num_players)
    for _ in range(num_steps):
        expected = 1 / (1 + np.exp(rating[None, :] - rating[:, None]))  # of row against column
        gradient = (wins - played * expected).sum(axis=1) + PRIOR_DRAWS * (0.5 - 1 / (1 + np.exp(-rating)))
        curvature = played * expected * (1 - expected)
        own = 1 / (1 + np.exp(-rating))
        hessian = np.diag(curvature.sum(axis=1) + PRIOR_DRAWS * own * (1 - own)) - curvature
        step = np.linalg.solve(hessian, gradient)
        rating = rating + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return (rating - rating.mean()) * ELO_PER_NAT


def rate(num_players: int, games: Sequence[GameResult], num_draws: int = 300, seed: int = 0) -> list[Rating]:
    """Return ratings with 95 % intervals, from games drawn again with replacement within each pairing."""
    by_pair: dict[tuple[int, int], list[GameResult]] = {}
    for game in games:
        by_pair.setdefault((game.first, game.second), []).append(game)
    generator, drawn = np.random.default_rng(seed), np.empty((num_draws, num_players))
    for draw in range(num_draws):
        again = [
            pair[index] for pair in by_pair.values() for index in generator.integers(len(pair), size=len(pair)).tolist()
        ]
        drawn[draw] = fit_elo(num_players, again)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    elo = fit_elo(num_players, games)
    return [Rating(float(one), float(below), float(above)) for one, below, above in zip(elo, low, high, strict=True)]
