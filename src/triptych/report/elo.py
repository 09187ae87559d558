"""Ratings of players from the games between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ELO_PER_NAT = 400 / np.log(10)
NORMAL_QUANTILE = 1.959964  # of 97.5 %
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


def rate(num_players: int, games: Sequence[GameResult], num_steps: int = 100) -> list[Rating]:
    """Return the ratings under which the games are the most likely (Bradley & Terry 1952), with 95 % intervals.

    A draw counts as half a game won; each player also has a draw with an imagined one of rating 0. The intervals are
    those of the normal distribution with the likelihood's curvature at its maximum, which Newton's method has found:
    they have a width where a player has won all games, too, and are rather too wide where many are drawn.
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
    centred = np.eye(num_players) - 1 / num_players  # of ratings whose mean is 0
    deviation = np.sqrt(np.diag(centred @ np.linalg.inv(hessian) @ centred)) * ELO_PER_NAT
    elo, half = (rating - rating.mean()) * ELO_PER_NAT, NORMAL_QUANTILE * deviation
    return [
        Rating(*numbers) for numbers in zip(elo.tolist(), (elo - half).tolist(), (elo + half).tolist(), strict=True)
    ]
