"""A game of OpenSpiel's that is being played, and who answers in it."""

from __future__ import annotations

import functools
import importlib
from typing import Any, Literal

import numpy as np

from triptych.types import ConfigurationError

Opponent = Literal["self", "random", "search", "perfect"]
MOST_POSITIONS = 200_000  # that are looked through for perfect play


class Match:
    """One game that is being played, and the opponent of whoever plays in it, if there is one.

    Args:
        game: of OpenSpiel.
        seed: of everything that chance decides in it.
        opponent: who answers, ``self`` for nobody; ``perfect`` plays any of the moves that are best.
        simulations: of the tree search, where that is the opponent.
    """

    def __init__(self, game: Any, seed: int, opponent: Opponent, simulations: int) -> None:
        self.state, self._generator = game.new_initial_state(), np.random.default_rng(seed)
        self.history: list[int] = []
        self._opponent = opponent if game.num_players() == 2 else "self"
        self._seat = seed % 2 if self._opponent != "self" else 0
        self._search = _tree_search(game, simulations, seed) if self._opponent == "search" else None
        self._solver = solver_of(game) if self._opponent == "perfect" else None
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
        if self._solver is not None:
            return int(self._generator.choice(self._solver.best_actions(self.state)))
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


class Solver:
    """What each position of a small game without chance is worth, found by looking through all that follows it.

    Args:
        game: of OpenSpiel, for two players.

    Raises:
        ConfigurationError: there is chance in it, or players have secrets.
    """

    def __init__(self, game: Any) -> None:
        pyspiel: Any = importlib.import_module("pyspiel")
        kind = game.get_type()
        is_certain = kind.chance_mode == pyspiel.GameType.ChanceMode.DETERMINISTIC
        if not is_certain or kind.information != pyspiel.GameType.Information.PERFECT_INFORMATION:
            raise ConfigurationError(
                f"perfect play is found for games without chance and secrets, and {kind.short_name} is none; choose "
                "random or search."
            )
        self._name, self._values = kind.short_name, dict[str, float]()

    def value(self, state: Any) -> float:
        """Return what the first player gets if both play perfectly.

        Raises:
            ConfigurationError: the game is too large.
        """
        if state.is_terminal():
            return float(state.returns()[0])
        name = f"{state.current_player()} {state}"
        if name not in self._values:
            if len(self._values) >= MOST_POSITIONS:
                raise ConfigurationError(
                    f"{self._name} has more than {MOST_POSITIONS:,} positions: perfect play is not known here; choose "
                    "search."
                )
            best = max if state.current_player() == 0 else min
            self._values[name] = best(self.value(state.child(action)) for action in state.legal_actions())
        return self._values[name]

    def best_actions(self, state: Any) -> list[int]:
        """Return the moves that lose nothing."""
        value = self.value(state)
        return [action for action in state.legal_actions() if self.value(state.child(action)) == value]


@functools.lru_cache(maxsize=4)
def _solver_by_name(name: str) -> Solver:
    pyspiel: Any = importlib.import_module("pyspiel")
    return Solver(pyspiel.load_game(name))


def solver_of(game: Any) -> Solver:
    """Return a solver of a game, which remembers what it has found."""
    return _solver_by_name(str(game))
