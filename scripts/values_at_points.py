"""Measure what a run expects in the steps before a reward: does the value fall before a point is lost?

python scripts/values_at_points.py outputs/dqn/pong/nature/seed1-1234abcd --games 4 --out docs/results/values.json

The games are those of an evaluation. A step counts for the next reward alone, and from the reward before it on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from triptych.callbacks.overestimation import values_of
from triptych.collect.recording import record
from triptych.provenance.code import write_measurement
from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.restore import checkpoint_name, load_checkpoint, load_config, prepare
from triptych.types import ConfigurationError

STEPS_BEFORE = (40, 20, 10, 5, 1)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: there are no games to play.
    """
    parser = ScriptParser(__doc__)
    parser.add_run_folder()
    parser.add_argument("--games", type=whole_number(1), default=4, help="of an evaluation (default: 4)")
    parser.add_out()
    return parser.parse_args(arguments)


def before_rewards(rewards: np.ndarray, values: np.ndarray) -> dict[str, dict[int, list[float]]]:
    """Return the values ``[T]`` of a game so many steps before its ``rewards [T]`` that are not 0.

    They are listed for rewards that are ``won``, above 0, and ``lost``, below, by the number of steps before; the step
    upon whose observation the rewarded action was chosen is 0 steps before.
    """
    found: dict[str, dict[int, list[float]]] = {side: {count: [] for count in STEPS_BEFORE} for side in ("won", "lost")}
    begin = 0
    for step in np.flatnonzero(rewards).tolist():
        of_side = found["won" if rewards[step] > 0 else "lost"]
        for count in STEPS_BEFORE:
            if step - count >= begin:
                of_side[count].append(float(values[step - count]))
        begin = step + 1
    return found


def measure(arguments: list[str]) -> None:
    """Play, print and write what was found.

    Raises:
        ConfigurationError: the run cannot be used, or has no values.
        NoPicture: the environment does not play a game again.
    """
    options = parse_arguments(arguments)
    cfg = load_config(options.run_folder, is_trusted=options.trust)
    name = checkpoint_name(options.run_folder, options.checkpoint)
    path, state = load_checkpoint(options.run_folder, name, cfg)
    values: dict[str, dict[int, list[float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        experiment = prepare(cfg, state, Path(scratch), options.games, options.games, "cpu")
        module, evaluator = experiment.module, experiment.data.evaluator
        with experiment.interrupt:
            experiment.trainer.test(module, experiment.data, ckpt_path=path, weights_only=True, verbose=False)
        for episode in evaluator.episodes:
            game = evaluator.make_evaluation_game(1)
            try:
                recording = record(game, episode, len(episode.actions))
            finally:
                game.close()
            expected = values_of(module, recording.observations)
            if expected is None:
                raise ConfigurationError(f"{type(module).__name__} has no values; give a run of another algorithm.")
            for side, by_count in before_rewards(recording.rewards, expected).items():
                for count, some in by_count.items():
                    values.setdefault(side, {}).setdefault(count, []).extend(some)
        found: dict[str, Any] = {
            "env": experiment.spec.name,
            "algo": type(module).__name__,
            "checkpoint": path.name,
            "returns": [episode.episode_return for episode in evaluator.episodes],
        }
    for side, by_count in values.items():
        means = {count: float(np.mean(some)) for count, some in by_count.items() if some}
        found[side] = {"rewards": len(by_count[1]), "mean_value_by_steps_before": means}
        told = ", ".join(f"{count} before {mean:.2f}" for count, mean in means.items()) or "none"
        print(f"{len(by_count[1]):5} {side}: {told}")
    write_measurement(options.out, Path(__file__).name, arguments, found)


def main(arguments: list[str]) -> int:
    """Measure and return the exit code."""
    quiet_lightning()
    return exit_code_of(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
