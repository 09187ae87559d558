"""Measure how often a checkpoint plays connect four perfectly, on positions that were solved.

python scripts/connect_four_moves.py RUN_FOLDER --out docs/results/connect_four_moves.json
python scripts/connect_four_moves.py --make 1000      # solve the positions anew (minutes)

The positions come from random play, 12 to 32 moves on, where one move at least is a mistake. A move is perfect if it
keeps what the position is worth: won, drawn or lost.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from triptych.collect.two_sided import TwoSidedGames
from triptych.envs.connect_four import ConnectFourSolver
from triptych.envs.openspiel import OpenSpiel
from triptych.files import write_text
from triptych.provenance.code import write_measurement
from triptych.run.arguments import ScriptParser, simulations, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.versus import CheckpointPlayer
from triptych.types import ConfigurationError

POSITIONS = Path(__file__).resolve().parents[1] / "docs" / "results" / "connect_four_positions.json"
FEWEST_MOVES, MOST_MOVES = 12, 32


def make_positions(count: int, seed: int = 0) -> list[dict[str, list[int]]]:
    """Return different positions with their perfect moves."""
    solver, generator = ConnectFourSolver(), np.random.default_rng(seed)
    game = OpenSpiel("connect_four", 1).game
    found: dict[tuple[int, ...], list[int]] = {}
    while len(found) < count:
        state = game.new_initial_state()
        columns: list[int] = []
        length = int(generator.integers(FEWEST_MOVES, MOST_MOVES + 1))
        while len(columns) < length and not state.is_terminal():
            columns.append(int(generator.choice(state.legal_actions())))
            state.apply_action(columns[-1])
        if state.is_terminal():
            continue
        best = solver.best_columns(state, columns)
        if len(best) < len(state.legal_actions()):
            found[tuple(columns)] = best
    return [{"columns": list(columns), "perfect": best} for columns, best in found.items()]


def read_positions(path: Path) -> list[dict[str, list[int]]]:
    """Read positions that were written, and see that each can be played to.

    Raises:
        ConfigurationError: there are none, or the file holds something else.
    """
    if not path.is_file():
        raise ConfigurationError(f"There is no {path}; --make 1000 writes it.")
    game = OpenSpiel("connect_four", 1).game
    try:
        positions = json.loads(path.read_text(encoding="utf-8"))
        for number, position in enumerate(positions):
            state = game.new_initial_state()
            for column in position["columns"]:
                if column not in state.legal_actions():
                    raise ValueError(f"position {number} has a move in column {column}, which is not allowed")
                state.apply_action(column)
            if not {*position["perfect"]} & {*state.legal_actions()}:
                raise ValueError(f"position {number} has no perfect move that is allowed")
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{path} does not hold what --make writes: {error}.") from error
    if not isinstance(positions, list) or not positions:
        raise ConfigurationError(f"{path} holds no positions; --make 1000 writes some.")
    return positions


def measure(player: CheckpointPlayer, positions: list[dict[str, list[int]]]) -> float:
    """Return the share of the positions in which a checkpoint plays a perfect move."""
    observations = []
    games = TwoSidedGames(player.experiment.data.make_game(1))
    for position in positions:
        games.start(np.array([0]))
        for column in position["columns"]:
            games.play(np.array([column]))
        observations.append(games.observation[0].copy())
    chosen: list[int] = []
    for begin in range(0, len(observations), 100):
        chosen += player.choose(np.stack(observations[begin : begin + 100])).tolist()
    return float(np.mean([action in one["perfect"] for action, one in zip(chosen, positions, strict=True)]))


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a number is out of range.
    """
    parser = ScriptParser(__doc__)
    parser.add_run_folder(nargs="?")
    parser.add_argument("--make", type=whole_number(1), metavar="COUNT", help="write so many positions anew")
    parser.add_argument("--num-simulations", type=simulations, nargs="+", default=[0, 32, 200], help="of the search")
    parser.add_argument("--positions", type=Path, default=POSITIONS, help="file of the positions")
    parser.add_out()
    return parser.parse_args(arguments)


def make_or_measure(arguments: list[str]) -> None:
    """Write positions, or measure how a run plays those that are written.

    Raises:
        ConfigurationError: there are no positions, or the run is on another game.
    """
    options = parse_arguments(arguments)
    if options.make is not None:
        positions = make_positions(options.make)
        write_text(options.positions, json.dumps(positions) + "\n")
        print(f"{len(positions)} positions are in {options.positions}.")
        return
    if options.run_folder is None:
        raise ConfigurationError("Give the folder of a run on env=connect_four, or --make COUNT.")
    positions = read_positions(options.positions)
    found: dict[str, Any] = {"positions": len(positions), "shares": {}}
    for count in options.num_simulations:
        player = CheckpointPlayer(options.run_folder, options.checkpoint, count, options.trust)
        if not player.spec.name.startswith("connect_four"):
            raise ConfigurationError(f"The run is on {player.spec.name}; give one on env=connect_four.")
        share = measure(player, positions)
        found["shares"][str(count)] = share
        print(f"{count:5} simulations: {share:.1%} of {len(positions)} positions played perfectly")
    write_measurement(options.out, Path(__file__).name, arguments, found)


def main(arguments: list[str]) -> int:
    """Measure, or make the positions, and return the exit code."""
    quiet_lightning()
    return exit_code_of(lambda: make_or_measure(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
