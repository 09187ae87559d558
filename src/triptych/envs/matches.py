"""A game of OpenSpiel's that is being played, and who answers in it."""

from __future__ import annotations

import importlib
from typing import Any, Literal

import numpy as np

Opponent = Literal["self", "random", "search"]


class Match:
    """One game that is being played, and the opponent of whoever plays in it, if there is one.

    Args:
        game: of OpenSpiel.
        seed: of everything that chance decides in it.
        opponent: who answers, ``self`` for nobody.
        simulations: of the tree search, where that is the opponent.
    """

    def __init__(self, game: Any, seed: int, opponent: Opponent, simulations: int) -> None:
        self.state, self._generator = game.new_initial_state(), np.random.default_rng(seed)
        self.history: list[int] = []
        self._opponent = opponent if game.num_players() == 2 else "self"
        self._seat = seed % 2 if self._opponent != "self" else 0
        self._search = _tree_search(game, simulations, seed) if self._opponent == "search" else None
        self._go_on()

    def play(self, action: int) -> tuple[float, bool]:
        """Make a move; return the reward of who made it, and whether the turn has passed to the opponent."""
        player = self.state.current_player()
        before = self.state.returns()[player]
        self._apply(action)
        self._go_on()
        passes = not self.state.is_terminal() and self.state.current_player() != player
        return self.state.returns()[player] - before, passes

    def first_player_reward(self, action: int) -> float:
        """Make a move; return the reward of the player whom the match began with."""
        player = self._seat if self._opponent != "self" else self._first
        before = self.state.returns()[player]
        self.play(action)
        return self.state.returns()[player] - before

    def _apply(self, action: int) -> None:
        self.state.apply_action(action)
        self.history.append(action)

    def _go_on(self) -> None:
        """Let chance and the opponent move until it is an actor's turn, or the end."""
        state = self.state
        while not state.is_terminal():
            if state.is_chance_node():
                actions, probs = zip(*state.chance_outcomes(), strict=True)
                state.apply_action(int(self._generator.choice(actions, p=probs)))
            elif self._opponent != "self" and state.current_player() != self._seat:
                self._apply(self._answer())
            else:
                break
        if not self.history or self._opponent != "self":
            self._first = max(state.current_player(), 0)

    def _answer(self) -> int:
        if self._search is not None:
            return int(self._search.step(self.state))
        return int(self._generator.choice(self.state.legal_actions()))


def _tree_search(game: Any, simulations: int, seed: int) -> Any:
    """Return OpenSpiel's tree search by UCT with one random game for each leaf (Kocsis & Szepesvári 2006)."""
    pyspiel: Any = importlib.import_module("pyspiel")
    return pyspiel.MCTSBot(
        game,
        pyspiel.RandomRolloutEvaluator(1, seed),
        2.0,  # the constant of UCT
        simulations,
        100,  # megabytes
        True,  # solve what can be solved
        seed,
        False,
    )
