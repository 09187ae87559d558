"""Evaluate a run's checkpoint on episodes that neither its training nor its own evaluations have seen.

python scripts/evaluate.py outputs/dqn/pong/nature/seed1-1234abcd --episodes 30
"""

from __future__ import annotations

import argparse
import sys

from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.evaluation import play_evaluation
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.restore import check_is_its_game, find_in_run, load_config


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a number is out of range.
    """
    parser = ScriptParser(__doc__)
    parser.add_run_folder()
    parser.add_argument("--episodes", type=whole_number(1), default=30, help="whole games (default: 30)")
    parser.add_argument("--video", action="store_true", help="write the median episode to videos/evaluate-<name>.mp4")
    parser.add_argument(
        "--num-envs", type=whole_number(1), default=8, help="environments that share the episodes (default: 8)"
    )
    return parser.parse_args(arguments)


def evaluate(arguments: list[str]) -> None:
    """Do what the command line says.

    Raises:
        ConfigurationError: the folder, its config or its checkpoint cannot be used.
    """
    options = parse_arguments(arguments)
    cfg = load_config(options.run_folder, is_trusted=options.trust)
    checkpoint = find_in_run(options.run_folder, options.checkpoint)
    check_is_its_game(checkpoint, cfg)
    play_evaluation(
        cfg,
        checkpoint,
        options.run_folder,
        num_episodes=options.episodes,
        num_envs=options.num_envs,
        with_video=options.video,
    )


def main(arguments: list[str]) -> int:
    """Evaluate and return the exit code."""
    quiet_lightning()
    return exit_code_of(lambda: evaluate(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
