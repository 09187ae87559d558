"""A person, or a program that speaks GTP, against a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from triptych.collect.two_sided import TwoSidedGames
from triptych.run.versus import CheckpointPlayer, check_two_players

HELP = "Type a move, 'moves' for those that are allowed, 'hint' for what the agent thinks, 'undo' or 'quit'."
MOST_SHOWN = 8  # moves of a hint


class Duel:
    """One game in which both sides' moves come from outside or from a checkpoint.

    Args:
        player: the checkpoint.
        seed: of what chance decides, such as cards.

    Raises:
        ConfigurationError: the game is not for two players.
    """

    def __init__(self, player: CheckpointPlayer, seed: int = 0) -> None:
        check_two_players(player.spec)
        self.player, self.spec, self.seed = player, player.spec, seed
        self.game: Any = player.experiment.data.make_game(1)
        self._games = TwoSidedGames(self.game)
        self.moves: list[int] = []
        self.start()

    def start(self, seed: int | None = None) -> None:
        """Begin a new game."""
        self.seed = self.seed if seed is None else seed
        self.moves = []
        self._games.start(np.array([self.seed]))

    @property
    def observation(self) -> np.ndarray:
        """What the player to move sees, ``[1, size]``."""
        return self._games.observation

    @property
    def mover(self) -> int:
        """Who is to move, 0 or 1."""
        return int(self._games.mover[0])

    @property
    def is_over(self) -> bool:
        """Whether the game has ended."""
        return bool(self._games.is_over[0])

    @property
    def winner(self) -> int | None:
        """Who has won, 0 or 1; ``None`` where it is a draw, or not over."""
        return {0: None, 1: 0, -1: 1}[int(self._games.outcome[0])]

    @property
    def state(self) -> Any:
        """The position, as OpenSpiel has it."""
        return self.game._matches[0].state

    @property
    def legal(self) -> list[int]:
        """The moves that are allowed."""
        return np.flatnonzero(self.spec.legal_actions(self.observation)[0]).tolist()  # type: ignore[index]

    def name_of(self, action: int) -> str:
        """Return what a move is called."""
        return self.spec.action_names[action] if self.spec.action_names else str(action)

    def read(self, text: str) -> int | None:
        """Return the move of a name or a number, ``None`` where there is none of it that is allowed."""
        wanted = text.strip().lower()
        for action in self.legal:
            if wanted in (self.name_of(action).lower(), str(action)):
                return action
        return None

    def play(self, action: int) -> None:
        """Make a move that is allowed."""
        self._games.play(np.array([action]))
        self.moves.append(action)

    def undo(self, count: int) -> None:
        """Take the last moves back."""
        kept = self.moves[: max(len(self.moves) - count, 0)]
        self.start()
        for action in kept:
            self.play(action)

    def answer(self) -> int:
        """Return the checkpoint's move."""
        return int(self.player.choose(self.observation)[0])

    def hint(self) -> list[str]:
        """Return lines about what the checkpoint thinks of the position, for whoever is to move."""
        said, lines = self.player.explain(self.observation), []
        if said.value is not None:
            lines.append(f"value {said.value[0].item():+.2f} for the player to move")
        shown: Any = said.visit_counts if said.visit_counts is not None else said.action_probs
        shown = said.q_values if shown is None else shown
        if shown is not None:
            numbers = shown[0].tolist()
            best = sorted(self.legal, key=lambda action: -numbers[action])[:MOST_SHOWN]
            kind = "visits" if said.visit_counts is not None else "policy" if said.action_probs is not None else "Q"
            lines.append(f"{kind}: " + ", ".join(f"{self.name_of(one)} {numbers[one]:.3g}" for one in best))
        return lines


def play_in_terminal(
    duel: Duel, seat: int, read_line: Callable[[str], str] = input, write_line: Callable[[str], None] = print
) -> None:
    """Let a person play, on ``seat`` 0 or 1, until the game is over or they have enough."""
    write_line(HELP)
    while not duel.is_over:
        write_line(_shown(duel, seat))
        if duel.mover != seat:
            action = duel.answer()
            write_line(f"the agent plays {duel.name_of(action)}")
            duel.play(action)
            continue
        try:
            text = read_line("your move: ").strip()
        except (EOFError, KeyboardInterrupt):
            text = "quit"
        if text == "quit":
            write_line("The game ends here.")
            return
        if text == "moves":
            write_line(", ".join(map(duel.name_of, duel.legal)))
        elif text == "hint":
            for line in duel.hint():
                write_line(line)
        elif text == "undo":
            duel.undo(2)
        elif (move := duel.read(text)) is None:
            write_line(f"{text!r} is not allowed here; 'moves' lists what is.")
        else:
            duel.play(move)
    write_line(str(duel.state))
    write_line("A draw." if duel.winner is None else "You have won." if duel.winner == seat else "The agent has won.")


def _shown(duel: Duel, seat: int) -> str:
    """Return the position as far as a person on that seat may see it."""
    state = duel.state
    if duel.spec.is_perfect_information:
        return str(state)
    return str(state.information_state_string(seat))


class Gtp:
    """Answers the commands of GTP, version 2, so that any Go program or board can play a checkpoint."""

    def __init__(self, duel: Duel) -> None:
        self.duel, self.is_done = duel, False
        self._commands: dict[str, Callable[[Sequence[str]], str]] = {
            "protocol_version": lambda words: "2",
            "name": lambda words: "Triptych",
            "version": lambda words: "0.1",
            "known_command": lambda words: str(bool(words) and words[0] in self._commands).lower(),
            "list_commands": lambda words: "\n".join(self._commands),
            "boardsize": self._board_size,
            "komi": self._komi,
            "clear_board": self._clear,
            "play": self._play,
            "genmove": self._generate,
            "undo": self._undo,
            "showboard": lambda words: f"\n{self.duel.state}",
            "quit": self._quit,
        }

    def answer(self, line: str) -> str:
        """Return the answer to one line, in the protocol's form; empty for a line without a command."""
        words = line.split("#")[0].split()
        number = words.pop(0) if words and words[0].isdecimal() else ""
        if not words:
            return ""
        command = self._commands.get(words[0])
        try:
            said, mark = ("unknown command", "?") if command is None else (command(words[1:]), "=")
        except ValueError as error:
            said, mark = str(error), "?"
        return f"{mark}{number} {said}".rstrip() + "\n\n"

    def _parameter(self, name: str) -> float:
        return float(self.duel.game.game.get_parameters()[name])

    def _board_size(self, words: Sequence[str]) -> str:
        if words != [str(int(self._parameter("board_size")))]:
            raise ValueError("unacceptable size")
        return ""

    def _komi(self, words: Sequence[str]) -> str:
        if not words or float(words[0]) != self._parameter("komi"):
            raise ValueError(f"the komi is {self._parameter('komi'):g}")
        return ""

    def _clear(self, words: Sequence[str]) -> str:
        self.duel.start()
        return ""

    def _seat(self, words: Sequence[str]) -> int:
        colour = words[0].lower() if words else ""
        if colour not in ("b", "black", "w", "white"):
            raise ValueError("syntax error")
        seat = int(colour.startswith("w"))
        if seat != self.duel.mover:  # two moves in a row of one colour: the other one passes
            passing = self.duel.read("pass")
            if passing is None or self.duel.is_over:
                raise ValueError("illegal move")
            self.duel.play(passing)
        return seat

    def _play(self, words: Sequence[str]) -> str:
        if len(words) != 2:
            raise ValueError("syntax error")
        self._seat(words)
        move = self.duel.read(words[1])
        if move is None or self.duel.is_over:
            raise ValueError("illegal move")
        self.duel.play(move)
        return ""

    def _generate(self, words: Sequence[str]) -> str:
        self._seat(words)
        if self.duel.is_over:
            return "pass"
        action = self.duel.answer()
        self.duel.play(action)
        return self.duel.name_of(action).upper()

    def _undo(self, words: Sequence[str]) -> str:
        if not self.duel.moves:
            raise ValueError("cannot undo")
        self.duel.undo(1)
        return ""

    def _quit(self, words: Sequence[str]) -> str:
        self.is_done = True
        return ""
