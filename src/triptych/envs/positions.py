"""Games of OpenSpiel: which of them can be played here, what a player sees of a position, and the rules to plan by."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from triptych.types import ConfigurationError, ObservationParts, Outcome

SIZES = ("board_size", "columns", "num_cols", "num_rows", "rows", "size", "x_in_row")  # of boards, in most games
LARGEST_SIZE = 100
LONGEST_HISTORY = 1_000  # moves; observations of longer games do not carry theirs


def load_game(id: str, parameters: dict[str, Any]) -> Any:
    """Return a game of OpenSpiel.

    Args:
        id: its name there.
        parameters: of the game, by name.

    Raises:
        ConfigurationError: the extra is missing, there is no such game, it cannot be made with these parameters, or it
            is of a kind that nobody here can play.
    """
    if find_spec("pyspiel") is None:
        raise ConfigurationError(
            f'env.id={id} needs OpenSpiel, which is not installed; run: pip install -e ".[openspiel]"'
        )
    pyspiel: Any = importlib.import_module("pyspiel")
    if id not in pyspiel.registered_names():
        raise ConfigurationError(f"env.id={id} is no game of OpenSpiel's; tic_tac_toe, go and leduc_poker are.")
    for name, value in parameters.items():
        _check_parameter(name, value)
    try:
        game = pyspiel.load_game(id, parameters)
        game.new_initial_state()  # some games look at their parameters here
    except Exception as error:  # of C++, whose map or vector may speak
        said = " ".join(str(error).split())
        raise ConfigurationError(f"env.id={id} cannot be made with {parameters}: {said}") from error
    kind, players = game.get_type(), game.num_players()
    if players > 2:
        raise ConfigurationError(f"env.id={id} has {players} players; games of one or two can be played here.")
    if kind.dynamics != pyspiel.GameType.Dynamics.SEQUENTIAL:
        raise ConfigurationError(
            f"env.id={id} has moves at the same time; only games in which players take turns can be played here."
        )
    is_zero_sum = kind.utility == pyspiel.GameType.Utility.ZERO_SUM
    if players == 2 and not is_zero_sum:
        raise ConfigurationError(
            f"env.id={id} is a game in which both may win; of two players, one must lose what the other wins."
        )
    seen = _observation_of(game)
    if seen is None or seen.tensor is None:
        what = "see" if is_open(game) else "know, from all that they have seen and done,"
        raise ConfigurationError(
            f"env.id={id} cannot be learned from: OpenSpiel does not give what its players {what} as numbers; choose "
            "another game."
        )
    return game


def _check_parameter(name: str, value: Any) -> None:
    key = f"env.game_parameters.{name}"
    if not isinstance(value, bool | int | float | str):
        raise ConfigurationError(f"{key}={value} is not allowed: it takes a number, a text, true or false.")
    if isinstance(value, int) and name in SIZES and not 1 <= value <= LARGEST_SIZE:  # C++ crashes, or takes all memory
        raise ConfigurationError(f"{key}={value} is not allowed: it takes a whole number from 1 to {LARGEST_SIZE}.")


class Position:
    """A state of a game beside its observation's parts, with chance played out as it comes."""

    def __init__(self, game: Any, parts: ObservationParts, player_planes: tuple[int, int] | None) -> None:
        self.game, self.parts, self.player_planes = game, parts, player_planes
        self._seen = _observation_of(game)
        self._seen_size = math.prod(parts.seen_shape)
        self._own_plane = self._seen_size - math.prod(parts.seen_shape[1:])

    def write(self, state: Any, history: Sequence[int], row: np.ndarray) -> None:
        """Write what the player to move sees of ``state`` into ``row [size]``; at the end of a game no move is left."""
        row[:] = 0
        player = max(state.current_player(), 0)
        self._seen.set_from(state, player)
        tensor = self._seen.tensor
        row[: len(tensor)] = tensor
        if len(self.parts.seen_shape) == 3:
            if self.player_planes is None:  # whose turn it is, on a plane of its own
                row[self._own_plane : self._seen_size] = player
            elif player == 1:  # one's own pieces are always on the same plane
                planes = row[: self._seen_size].reshape(self.parts.seen_shape)
                own, others = self.player_planes
                planes[[own, others]] = planes[[others, own]]
        begin = self._seen_size
        if not state.is_terminal():
            row[begin + np.array(state.legal_actions())] = 1
        begin += self.parts.num_masked
        if self.parts.history_length:
            row[begin : begin + len(history)] = history
            row[begin : begin + len(history)] += 1
        if self.parts.has_seat:
            row[-1] = player


def _observation_of(game: Any) -> Any:
    from open_spiel.python.observation import make_observation

    if is_open(game):
        return make_observation(game)
    pyspiel: Any = importlib.import_module("pyspiel")
    everything_known = pyspiel.IIGObservationType(
        perfect_recall=True, public_info=True, private_info=pyspiel.PrivateInfoType.SINGLE_PLAYER
    )
    return make_observation(game, everything_known)


def make_parts(game: Any, has_player_planes: bool) -> ObservationParts:
    """Return what an observation of a game consists of."""
    seen = _observation_of(game)
    shapes = [piece.shape for piece in seen.dict.values()]
    is_planes = len(shapes) == 1 and len(shapes[0]) == 3
    shape = tuple(shapes[0]) if is_planes else (len(seen.tensor),)
    if is_planes and not has_player_planes:
        shape = (shape[0] + 1, *shape[1:])
    length = game.max_game_length() if _has_rules(game) else 0
    return ObservationParts(shape, game.num_distinct_actions(), length, has_seat=not is_open(game))


def is_open(game: Any) -> bool:
    """Whether all players see everything."""
    pyspiel: Any = importlib.import_module("pyspiel")
    return game.get_type().information == pyspiel.GameType.Information.PERFECT_INFORMATION


def has_chance(game: Any) -> bool:
    """Whether cards or dice decide something."""
    pyspiel: Any = importlib.import_module("pyspiel")
    return game.get_type().chance_mode != pyspiel.GameType.ChanceMode.DETERMINISTIC


def lead(state: Any, player: int) -> float:
    """Return what a player has won so far; of two players, half of what it is ahead by.

    Where one loses what the other wins, the two are the same. Some games pay the one before the other, and even out
    later.
    """
    returns = state.returns()
    return returns[player] if len(returns) == 1 else (returns[player] - returns[1 - player]) / 2


def _has_rules(game: Any) -> bool:
    """Whether a position follows from the moves so far, for which there is room, and outcomes are from -1 to 1."""
    is_small = game.min_utility() >= -1 and game.max_utility() <= 1
    return is_open(game) and not has_chance(game) and game.max_game_length() <= LONGEST_HISTORY and is_small


class OpenSpielRules:
    """The rules of a game without chance and secrets; see `Rules`."""

    def __init__(self, game: Any, position: Position) -> None:
        self._game, self._position = game, position
        self._states: list[Any] = []
        self._histories: list[list[int]] = []

    def __deepcopy__(self, memo: Any) -> OpenSpielRules:
        return self  # whoever knows the rules, such as a copy of a network, asks the same ones

    def set_up(self, observation: np.ndarray) -> np.ndarray:
        self._states, self._histories = [], []
        for row in observation:
            state, history = self._game.new_initial_state(), self._position.parts.history(row)
            for action in history:
                state.apply_action(action)
            self._states.append(state)
            self._histories.append(history)
        return np.arange(len(observation))

    def play(self, positions: np.ndarray, actions: np.ndarray) -> Outcome:
        count, first = len(positions), len(self._states)
        observation = np.empty((count, self._position.parts.size), np.float32)
        reward, is_terminal = np.zeros(count, np.float32), np.ones(count, bool)
        turn_passes = np.zeros(count, bool)
        for index, (position, action) in enumerate(zip(positions.tolist(), actions.tolist(), strict=True)):
            state, history = self._states[position], self._histories[position]
            if not state.is_terminal():
                player = state.current_player()
                if action in state.legal_actions():
                    state, history = state.child(action), [*history, action]
                    reward[index] = lead(state, player) - lead(self._states[position], player)
                    is_terminal[index] = state.is_terminal()
                    turn_passes[index] = not is_terminal[index] and state.current_player() != player
                else:
                    reward[index] = self._game.min_utility()
            self._states.append(state)
            self._histories.append(history)
            self._position.write(state, history, observation[index])
        return Outcome(np.arange(first, first + count), observation, reward, is_terminal, turn_passes)
