"""Draw the values that a run with a table has learned: on a map, with the greedy actions, beside their error.

python scripts/draw_values.py outputs/q_learning/frozen_lake/none/seed1-1234abcd
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from triptych.build import Experiment
from triptych.report.runs import read_metrics
from triptych.report.values import ValueMap, draw_values, value_map
from triptych.run.arguments import ScriptParser, picture_file
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.restore import load_checkpoint, load_config, prepare
from triptych.types import ConfigurationError

ERROR = "train/max_abs_error"
GOAL = 0.01  # the error at which a line is drawn


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: the picture has no name of one.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--checkpoint", default="last", help="last (default), best or the path of a .ckpt file")
    parser.add_trust()
    parser.add_argument("--out", type=picture_file, help="picture to write (default: values.png in the run's folder)")
    return parser.parse_args(arguments)


def map_of(experiment: Experiment) -> ValueMap | None:
    """Return the map of a run's table, ``None`` where its states are no cells.

    Raises:
        ConfigurationError: it has no table.
    """
    module, model = experiment.module, experiment.spec.model
    q_values = getattr(module, "q_values", None)
    if q_values is None:
        raise ConfigurationError(
            f"{type(module).__name__} has no table of values; give the folder of a run with algo=q_learning or dyna."
        )
    if model is None or model.grid_shape is None:
        return None
    return value_map(q_values.cpu().numpy(), model.is_reachable, model.is_terminal, model.grid_shape, model.moves)


def errors_of(run_folder: Path) -> list[tuple[float, float]]:
    """Read env steps and max |Q - Q*| from a run's metrics; empty where it could not know.

    Raises:
        ConfigurationError: they are not what a run writes.
    """
    path = run_folder / "metrics.csv"
    try:
        rows = read_metrics(run_folder) if path.is_file() else []
        return [(float(row["env_steps"]), float(row[ERROR])) for row in rows if row.get(ERROR)]
    except (KeyError, ValueError) as error:
        raise ConfigurationError(f"{path} is not what a run writes ({error}).") from error


def draw(options: argparse.Namespace) -> None:
    """Draw the picture and say where it is.

    Raises:
        ConfigurationError: the folder cannot be used, or there is nothing to draw.
    """
    cfg = load_config(options.run_folder, is_trusted=options.trust)
    checkpoint, state_dict = load_checkpoint(options.run_folder, options.checkpoint, cfg)
    with tempfile.TemporaryDirectory() as scratch:
        experiment = prepare(cfg, state_dict, Path(scratch), num_episodes=1)
    cells, errors = map_of(experiment), errors_of(options.run_folder)
    if cells is None and not errors:
        raise ConfigurationError(
            f"{experiment.spec.name} has neither cells to lay a map out on nor a model to measure errors by; choose "
            "env=frozen_lake, cliff_walking, taxi or maze."
        )
    path = options.out or options.run_folder / "values.png"
    title = f"{experiment.spec.name}, {type(experiment.module).__name__}, {checkpoint.stem}"
    draw_values(path, cells, errors, title, GOAL)
    print(f"The values are in {path}.")


def main(arguments: list[str]) -> int:
    """Draw and return the exit code: 2 for input that cannot be used."""
    quiet_lightning()
    return exit_code_of(lambda: draw(parse_arguments(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
