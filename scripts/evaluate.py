"""Evaluate a run's checkpoint on episodes that neither its training nor its own evaluations have seen.

python scripts/evaluate.py outputs/dqn/pong/nature/seed1-1234abcd --episodes 30
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from triptych.run.evaluation import play_evaluation
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.restore import check_is_its_game, find_in_run, load_config
from triptych.types import ConfigurationError


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a number is out of range.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--episodes", type=int, default=30, help="whole games (default: 30)")
    parser.add_argument(
        "--checkpoint", help="best (default), last (default where there is no best yet) or the path of a .ckpt file"
    )
    parser.add_argument("--video", action="store_true", help="write the median episode to videos/evaluate-<name>.mp4")
    parser.add_argument("--trust", action="store_true", help="run what the folder's config names outside this package")
    parser.add_argument("--num-envs", type=int, default=8, help="environments that share the episodes (default: 8)")
    options = parser.parse_args(arguments)
    for name in ("episodes", "num_envs"):
        if getattr(options, name) < 1:
            raise ConfigurationError(
                f"--{name.replace('_', '-')} {getattr(options, name)} is not allowed: "
                "it takes a whole number from 1 up."
            )
    return options


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
