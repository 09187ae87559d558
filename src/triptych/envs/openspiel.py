"""Games of OpenSpiel (Lanctot et al. 2019, arXiv 1908.09453) for one or two players who take turns, extra [openspiel].

One step is one move. An observation is that of the player who is to move, a reward that of the player who has moved,
and where the turn passes, what follows is the opponent's: one actor plays both sides. Instead, the environment itself
may play one side; then a step is a move and the opponent's answer, and nothing passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np

from triptych.envs.boards import cells_of_actions, draw_position
from triptych.envs.exploitability import InformationStates
from triptych.envs.matches import Match, Opponent, check_opponent
from triptych.envs.positions import OpenSpielRules, Position, has_chance, is_open, load_game, make_parts
from triptych.envs.symmetries import Group, make_symmetries
from triptych.types import ConfigurationError, EnvSpec, NoPicture, Received, ReceivedInTurns
from triptych.types.bounds import Between, Count

MOST_NAMES = 1_000  # of moves; chess and others with more crash when they name a move that is not allowed


class OpenSpiel:
    """N games of OpenSpiel that advance together.

    Args:
        id: of the game, as OpenSpiel names it.
        num_envs: games.
        board_size: of games that have one; ``None`` for the game's own.
        game_parameters: what else the game is to be made with.
        player_planes: of observations that are planes, those of the first and of the second player's pieces, which are
            exchanged where the second is to move; ``None`` for a plane more that says whose turn it is.
        symmetries: of the board, see `make_symmetries`.
        opponent: who plays the other side while learning: the learner itself, or the environment, ``random``, by tree
            ``search`` or ``perfect`` where the game is small.
        eval_opponent: who plays the other side in evaluations; the seat of the one who is evaluated follows from a
            game's seed.
        opponent_simulations: of the tree search.
        solved_return: mean evaluation return from which the environment counts as solved.
    """

    def __init__(
        self,
        id: str,
        num_envs: Annotated[int, Between(1, 10_000)],
        *,
        board_size: Annotated[int, Between(2, 25)] | None = None,
        game_parameters: dict[str, Any] | None = None,
        player_planes: Sequence[int] | None = None,
        symmetries: Group = "none",
        opponent: Opponent = "self",
        eval_opponent: Opponent = "random",
        opponent_simulations: Count = 100,
        solved_return: float | None = None,
    ) -> None:
        if not isinstance(game_parameters or {}, dict):
            raise ConfigurationError(
                f"env.game_parameters={game_parameters} is not allowed: it takes a node of parameters, as "
                "+env.game_parameters.rows=5."
            )
        parameters = dict(game_parameters or {}) | ({} if board_size is None else {"board_size": board_size})
        self.game, self.num_envs = load_game(id, parameters), num_envs
        self.opponent, self._eval_opponent, self._simulations = opponent, eval_opponent, opponent_simulations
        for one in (opponent, eval_opponent):
            check_opponent(self.game, one)
        planes = None if player_planes is None else (int(player_planes[0]), int(player_planes[1]))
        self.parts = make_parts(self.game, planes is not None)
        self._position = Position(self.game, self.parts, planes)
        self._matches: list[Match] = []
        self._information_states: InformationStates | None = None
        self._observation = np.zeros((num_envs, self.parts.size), np.float32)
        self._sent = np.zeros(num_envs, np.int64)
        is_board = len(self.parts.seen_shape) == 3
        count, *board = self.parts.seen_shape
        seen = f"{count} planes of {' x '.join(map(str, board))}" if is_board else f"{count} numbers"
        self.spec = EnvSpec(
            name=id if board_size is None else f"{id}-{board_size}",
            protocol="none",
            observation_shape=(self.parts.size,),
            observation_dtype="float32",
            num_actions=self.game.num_distinct_actions(),
            solved_return=solved_return,
            reading=f"{seen}, and which actions are allowed",
            render_fps=1.0,
            action_names=self._action_names(),
            parts=self.parts,
            num_players=self.game.num_players() if opponent == "self" else 1,
            is_perfect_information=is_open(self.game),
            has_chance=has_chance(self.game),
            rules=OpenSpielRules(self.game, self._position) if self.parts.history_length else None,
            symmetries=make_symmetries(symmetries, board, self.game.num_distinct_actions()),
            action_cells=cells_of_actions(self.game, planes),
        )

    def face_opponent(self) -> None:
        """Play against the opponent of evaluations from the next reset on."""
        self.opponent = self._eval_opponent

    def face(self, opponent: Opponent, simulations: int) -> None:
        """Play against another opponent from the next reset on; ``simulations`` are those of a tree search.

        Raises:
            ConfigurationError: it cannot play this game.
        """
        check_opponent(self.game, opponent)
        self.opponent, self._simulations = opponent, simulations

    def _action_names(self) -> tuple[str, ...]:
        """Return what the moves are called at the start, where all of them are allowed then or named alike."""
        if self.game.num_distinct_actions() > MOST_NAMES:
            return ()
        state = self.game.new_initial_state()
        while state.is_chance_node():
            state.apply_action(state.legal_actions()[0])
        try:
            by_player = [
                [state.action_to_string(player, action) for action in range(self.game.num_distinct_actions())]
                for player in range(self.game.num_players())
            ]
        except RuntimeError:  # some games name only what is allowed
            return ()
        return tuple(_common_end(names) for names in zip(*by_player, strict=True))

    def reset(self, seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._matches = self._matches or [None] * self.num_envs  # type: ignore[list-item]
        self._observation = self._observation.copy()
        for env_index, seed in zip(np.flatnonzero(mask).tolist(), seeds.tolist(), strict=True):
            match = Match(self.game, seed, self.opponent, self._simulations)
            self._matches[env_index] = match
            self._position.write(match.state, match.history, self._observation[env_index])
        return self._observation, np.zeros(self.num_envs, np.int64)

    def send(self, action: np.ndarray) -> None:
        self._sent = action

    def receive(self) -> Received:
        """See `Game`.

        Raises:
            ValueError: an action is not allowed.
        """
        num_envs, allowed = self.num_envs, self.parts.legal_actions(self._observation)
        observation = np.empty_like(self._observation)
        reward, terminated = np.zeros(num_envs, np.float32), np.zeros(num_envs, bool)
        turn_passes = np.zeros(num_envs, bool)
        for env_index, action in enumerate(self._sent.tolist()):
            match = self._matches[env_index]
            if not match.state.is_terminal():
                if not allowed[env_index, action]:
                    raise ValueError(f"{self.spec.name} was sent action {action}, not allowed in:\n{match.state}")
                reward[env_index], turn_passes[env_index] = match.play(action)
            terminated[env_index] = match.state.is_terminal()
            self._position.write(match.state, match.history, observation[env_index])
        self._observation = observation
        nothing = np.zeros(num_envs, bool)
        received = Received(observation, reward, terminated, nothing, np.zeros(num_envs, np.int64))
        return ReceivedInTurns.of(received, turn_passes)

    def information_states(self) -> np.ndarray:
        """Return what players may know when it is their turn, as observations ``[S, size]``.

        Raises:
            ConfigurationError: there are too many.
        """
        if self._information_states is None:
            self._information_states = InformationStates(self.game, self._position)
        return self._information_states.observations

    def nash_conv(self, action_probs: np.ndarray) -> float:
        """Return what best responses win from a policy ``[S, A]``; see `InformationStates`."""
        self.information_states()
        assert self._information_states is not None
        return self._information_states.nash_conv(action_probs)

    def replay(self, seed: int, actions: Sequence[object]) -> Iterator[tuple[np.ndarray, float]]:
        match = Match(self.game, seed, self.opponent, self._simulations)
        yield self._draw(match), 0.0
        for action in actions:
            reward = match.first_player_reward(int(action))  # type: ignore[call-overload]
            yield self._draw(match), reward

    def _draw(self, match: Match) -> np.ndarray:
        try:
            return draw_position(self.game, match.state, self._position.player_planes, match.history)
        except ImportError as error:
            raise NoPicture(f"{self.spec.name} cannot be drawn here: {error}") from error

    def measure_frame_skip(self) -> int:
        return 1

    def close(self) -> None:
        self._matches = []


def _common_end(names: Sequence[str]) -> str:
    """Return what the players' names of one action have in common: they differ in the player they begin with."""
    length = 0
    while length < min(map(len, names)) and len({name[-1 - length] for name in names}) == 1:
        length += 1
    return names[0][len(names[0]) - length :].strip() or names[0]
