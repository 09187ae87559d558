"""Games of Go against an engine that speaks GTP, such as GNU Go (Farnebäck 2002, GTP version 2)."""

from __future__ import annotations

import shutil
import subprocess
from types import TracebackType
from typing import Any

import numpy as np

from triptych.collect.two_sided import TwoSidedGames
from triptych.run.versus import RANDOM_MOVES, CheckpointPlayer, Opening, Record
from triptych.types import ConfigurationError

COLOURS = "black", "white"
MOST_MOVES = 2  # times the points of the board, after which a game counts as drawn


class GnuGo:
    """GNU Go as a process of its own.

    Args:
        level: from 0 up, its strength.
        seed: of its own choices.

    Raises:
        ConfigurationError: it is not installed.
    """

    def __init__(self, level: int, seed: int = 0) -> None:
        path = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")
        if path is None:
            raise ConfigurationError("--against gnugo needs GNU Go, which is not installed: apt-get install gnugo")
        command = [path, "--mode", "gtp", "--level", str(level), "--seed", str(seed), "--chinese-rules"]
        command += ["--capture-all-dead"]  # all that is left on the board counts as alive here
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> GnuGo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, command: str) -> str:
        """Send a command and return the answer.

        Raises:
            ValueError: the engine refused it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        lines = []
        while (line := self._process.stdout.readline()).strip():
            lines.append(line.strip())
        answer = "\n".join(lines)
        if not answer.startswith("="):
            raise ValueError(f"GNU Go answered {answer or 'nothing'} to {command}.")
        return answer[1:].strip()


def play_engine(player: CheckpointPlayer, engine: GnuGo, num_games: int, seed: int = 0) -> tuple[Record, Record]:
    """Play games of Go one after the other, half of them from each seat; return how it went from each.

    So that they differ, each begins with two random moves, the same ones from both seats: a checkpoint plays the same
    move of two, and an engine nearly does.

    Raises:
        ConfigurationError: the game is not Go.
    """
    game: Any = player.experiment.data.make_game(1)
    if getattr(game, "game", None) is None or game.game.get_type().short_name != "go":
        raise ConfigurationError(f"--against gnugo is for Go, and this run is on {player.spec.name}.")
    size = int(game.game.get_parameters()["board_size"])
    komi = float(game.game.get_parameters()["komi"])
    records = []
    for seat in range(2):
        openings = [Opening(seed, number) for number in range(num_games // 2)]
        outcomes = [_play(player, engine, game, seat, size, komi, opening) for opening in openings]
        records.append(Record(*(sum(one == outcome for one in outcomes) for outcome in (1, 0, -1))))
    return records[0], records[1]


def _play(
    player: CheckpointPlayer, engine: GnuGo, game: Any, seat: int, size: int, komi: float, opening: Opening
) -> int:
    """Play one game; return 1 where the checkpoint has won, -1 where it has lost, else 0."""
    for command in (f"boardsize {size}", f"komi {komi}", "clear_board"):
        engine.ask(command)
    games, names = TwoSidedGames(game), [name.lower() for name in game.spec.action_names]
    games.start(np.array([0]))
    for number in range(MOST_MOVES * size * size):
        mover = int(games.mover[0])
        if number < RANDOM_MOVES or mover == seat:
            legal = game.spec.legal_actions(games.observation)[0]
            action = opening.choose(legal) if number < RANDOM_MOVES else int(player.choose(games.observation)[0])
            engine.ask(f"play {COLOURS[mover]} {names[action]}")
        else:
            answer = engine.ask(f"genmove {COLOURS[mover]}").lower()
            if answer == "resign":
                return 1
            action = names.index(answer)
        games.play(np.array([action]))
        if games.is_over[0]:
            return int(games.outcome[0]) * (1 if seat == 0 else -1)
    return 0
