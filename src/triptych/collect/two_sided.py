"""Games for two players whose moves come from outside, one after the other."""

from __future__ import annotations

import numpy as np

from triptych.collect.sides import Sides
from triptych.types import Game


class TwoSidedGames:
    """N games that step together, with whose turn it is and how they ended.

    Args:
        game: N environments in which both sides are played from outside; nobody else steps them.

    Attributes:
        observation: what the players to move see, ``[N, *observation_shape]``.
        mover: who is to move, ``[N]``: 0 for the player who moved first.
        is_over: which games have ended, ``[N]`` bool.
        outcome: of the player who moved first, ``[N]``: 1 won, -1 lost, 0 drawn or not over.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self._sides = Sides(game.num_envs)

    def start(self, seeds: np.ndarray) -> None:
        """Begin all games anew, from seeds ``[N]``."""
        num_envs = self.game.num_envs
        self.observation, _ = self.game.reset(seeds, np.ones(num_envs, bool))
        self.mover, self.is_over = np.zeros(num_envs, np.int64), np.zeros(num_envs, bool)
        self.outcome, self._returns = np.zeros(num_envs, np.int64), np.zeros(num_envs)
        self._sides.begin()

    def play(self, actions: np.ndarray) -> None:
        """Make a move ``[N]`` in each game; in one that is over it is ignored."""
        self.game.send(actions)
        received = self.game.receive()
        self._returns += self._sides.rewards(received)
        ended = received.terminated & ~self.is_over
        self.outcome[ended] = np.sign(self._returns[ended])
        self.is_over |= ended
        if received.turn_passes is not None:
            self.mover = np.where(received.turn_passes, 1 - self.mover, self.mover)
        self.observation = received.observation
