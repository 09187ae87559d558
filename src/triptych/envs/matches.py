"""A game of OpenSpiel's that is being played, and who answers in it."""

from __future__ import annotations

import functools
import importlib
from typing import Any, Literal

import numpy as np

from triptych.envs.positions import has_chance, is_open, lead
from triptych.types import ConfigurationError

Opponent = Literal["self", "random", "search", "perfect"]
MOST_POSITIONS = 200_000  # that are looked through for perfect play
MOST_MOVES = 300  # of a game that is looked through
UCT_CONSTANT = 2.0  # of the tree search
MOST_BEGINNINGS = 100  # of a game that ends before there is a move to choose


class Match:
    """One game that is being played, and the opponent of whoever plays in it, if there is one.

    Args:
        game: of OpenSpiel.
        seed: of everything that chance decides in it.
        opponent: who answers, ``self`` for nobody; ``perfect`` plays any of the moves that are best.
        simulations: of the tree search, where that is the opponent.

    Raises:
        ConfigurationError: the opponent cannot play this game, or time and again the game ends before whoever plays
            against it has had a move.
    """

    def __init__(self, game: Any, seed: int, opponent: Opponent, simulations: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._opponent = opponent if game.num_players() == 2 else "self"
        self._seat = seed % 2 if self._opponent != "self" else 0
        self._search = _tree_search(game, simulations, seed) if self._opponent == "search" else None
        self._solver = solver_of(game) if self._opponent == "perfect" else None
        for _ in range(MOST_BEGINNINGS):
            self.state, self.history = game.new_initial_state(), list[int]()
            self._go_on()
            if not self.state.is_terminal():
                return
        raise ConfigurationError(
            f"{game.get_type().short_name} as it is set up here ends before there is a move to choose; give it other "
            "env.game_parameters, or let both sides be played: env.opponent=self, env.eval_opponent=self."
        )

    def play(self, action: int) -> tuple[float, bool]:
        """Make a move; return the reward of who made it, and whether the turn has passed to the opponent."""
        player = self.state.current_player()
        before = lead(self.state, player)
        self._apply(action)
        self._go_on()
        passes = not self.state.is_terminal() and self.state.current_player() != player
        return lead(self.state, player) - before, passes

    def first_player_reward(self, action: int) -> float:
        """Make a move; return the reward of the player whom the match began with."""
        player = self._seat if self._opponent != "self" else self._first
        before = lead(self.state, player)
        self.play(action)
        return lead(self.state, player) - before

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


def check_opponent(game: Any, opponent: Opponent) -> None:
    """Check that an opponent can play a game.

    Raises:
        ConfigurationError: it cannot.
    """
    if opponent == "search" and game.num_players() == 2 and not is_open(game) and not _can_imagine(game):
        raise ConfigurationError(
            f"a tree search cannot play {game.get_type().short_name}: OpenSpiel does not give what its opponent may "
            "hold; choose random."
        )
    if opponent == "perfect":
        solver_of(game).value(game.new_initial_state())


def _can_imagine(game: Any) -> bool:
    """Whether OpenSpiel draws states that agree with what a player knows."""
    state = game.new_initial_state()
    while state.is_chance_node():
        state.apply_action(state.legal_actions()[0])
    try:
        _tree_search(game, 1, 0).step(state)
    except RuntimeError:  # it does not for most games
        return False
    return True


def _tree_search(game: Any, simulations: int, seed: int) -> Any:
    """Return OpenSpiel's tree search by UCT with one random game for each leaf (Kocsis & Szepesvári 2006).

    Where players have secrets, each simulation begins in a state that agrees with what the player knows, and nodes are
    what is known (Cowling, Powley & Whitehouse 2012).
    """
    pyspiel: Any = importlib.import_module("pyspiel")
    if not is_open(game):  # OpenSpiel's search in Python: that in C++ draws what is hidden without a seed
        ismcts: Any = importlib.import_module("open_spiel.python.algorithms.ismcts")
        mcts: Any = importlib.import_module("open_spiel.python.algorithms.mcts")
        generator, sampler = np.random.RandomState(seed), pyspiel.UniformProbabilitySampler(seed, 0.0, 1.0)
        random_games = mcts.RandomRolloutEvaluator(1, generator)
        count = max(simulations, 2)  # the first one only makes the root
        bot = ismcts.ISMCTSBot(game, random_games, UCT_CONSTANT, count, random_state=generator)
        bot.set_resampler(lambda state, player: state.resample_from_infostate(player, sampler))
        return bot
    return pyspiel.MCTSBot(
        game,
        pyspiel.RandomRolloutEvaluator(1, seed),
        UCT_CONSTANT,
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
        ConfigurationError: there is chance in it, or players have secrets, or a position is more than its text.
    """

    def __init__(self, game: Any) -> None:
        kind = game.get_type()
        if has_chance(game) or not is_open(game):
            raise ConfigurationError(
                f"perfect play is found for games without chance and secrets, and {kind.short_name} is none; choose "
                f"random{' or search' if is_open(game) else ''}."
            )
        if kind.short_name == "go":  # a position may not come again, and two passes end the game
            raise ConfigurationError(
                "perfect play is not found for go, where what is on the board does not tell what may follow; choose "
                "random or search."
            )
        self._name, self._values = kind.short_name, dict[str, float]()

    def value(self, state: Any, depth: int = 0) -> float:
        """Return what the first player gets if both play perfectly from here, ``depth`` moves on.

        Raises:
            ConfigurationError: the game is too large.
        """
        if state.is_terminal():
            return float(state.returns()[0])
        name = f"{state.current_player()} {state}"
        if name not in self._values:
            if len(self._values) >= MOST_POSITIONS or depth >= MOST_MOVES:
                raise ConfigurationError(
                    f"{self._name} has more than {MOST_POSITIONS:,} positions or {MOST_MOVES} moves: perfect play is "
                    "not known here; choose search."
                )
            best = max if state.current_player() == 0 else min
            self._values[name] = best(self.value(state.child(action), depth + 1) for action in state.legal_actions())
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
