"""Evaluate a run's checkpoint on episodes that neither its training nor its own evaluations have seen.

python scripts/evaluate.py outputs/dqn/pong/nature/seed1-1234abcd --episodes 30
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from triptych.build import Experiment
from triptych.callbacks.video import write_video
from triptych.files import write_text
from triptych.provenance.code import git_commit, versions
from triptych.run.job import quiet_lightning
from triptych.run.restore import load_checkpoint, load_config, prepare
from triptych.types import ConfigurationError, Episode, ExitCode, NoPicture, NotFinite, RunInterrupted


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a number is out of range.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--episodes", type=int, default=30, help="whole games (default: 30)")
    parser.add_argument("--checkpoint", default="best", help="best (default), last or the path of a .ckpt file")
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


def summarize(experiment: Experiment, checkpoint: Path) -> dict[str, Any]:
    """Put what came out of an evaluation into plain data."""
    episodes, spec = experiment.data.evaluator.episodes, experiment.spec
    returns = [episode.episode_return for episode in episodes]
    mean = statistics.fmean(returns)
    # Of ways to play besides the one that counts, such as a planner's without its search.
    metrics = experiment.trainer.callback_metrics
    others = {
        name.removeprefix("eval/"): float(metrics[name]) for name in metrics if name.startswith("eval/return_mean_")
    }
    return {
        "env": spec.name,
        "protocol": spec.protocol,
        "checkpoint": checkpoint.name,
        "frames": experiment.data.clock.frames,
        "num_episodes": len(episodes),
        "mean": mean,
        "std": statistics.pstdev(returns),
        "min": min(returns),
        "median": statistics.median(returns),
        "max": max(returns),
        "human_normalized_score": spec.human_normalized_score(mean),
        **others,
        "returns": returns,
        "lengths": [episode.length for episode in episodes],
        "seeds": [episode.seed for episode in episodes],
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "git_commit": git_commit(),
        "versions": versions(),
        "hardware": experiment.hardware.describe(),
    }


def print_table(result: dict[str, Any]) -> None:
    """Show an evaluation."""
    score = result["human_normalized_score"]
    rows = {
        "episodes": f"{result['num_episodes']}",
        "mean return": f"{result['mean']:.2f}",
        "std": f"{result['std']:.2f}",
        "min": f"{result['min']:g}",
        "median": f"{result['median']:g}",
        "max": f"{result['max']:g}",
        **({} if score is None else {"human-normalised score": f"{score:.3f}"}),
        **{name.replace("_", " "): f"{value:.2f}" for name, value in result.items() if name.startswith("return_mean_")},
        "protocol": result["protocol"],
        "frames of the checkpoint": f"{result['frames']:,}",
    }
    table = Table(title=f"{result['env']}, {result['checkpoint']}", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, text in rows.items():
        table.add_row(name, text)
    Console().print(table)


def median_episode(episodes: list[Episode]) -> Episode:
    """Return the episode whose return is in the middle."""
    return sorted(episodes, key=lambda episode: episode.episode_return)[len(episodes) // 2]


def evaluate(options: argparse.Namespace) -> None:
    """Play, print and write ``evaluation.json``.

    Raises:
        ConfigurationError: the folder, its config or its checkpoint cannot be used.
    """
    folder = options.run_folder
    cfg = load_config(folder, is_trusted=options.trust)
    path, state_dict = load_checkpoint(folder, options.checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        experiment = prepare(cfg, state_dict, Path(scratch), options.episodes, options.num_envs)
        data = experiment.data
        with experiment.interrupt:
            experiment.trainer.test(experiment.module, data, ckpt_path=path, weights_only=True, verbose=False)
            result = summarize(experiment, path)
            print_table(result)  # first: it shows what was played where no file can be written
            write_text(folder / "evaluation.json", json.dumps(result, indent=2) + "\n")
            print(f"Written to {folder / 'evaluation.json'}.")
            if options.video:
                video, game = folder / "videos" / f"evaluate-{path.stem}.mp4", data.make_game(1)
                try:
                    write_video(video, game, median_episode(data.evaluator.episodes))
                finally:
                    game.close()
                print(f"The median episode is in {video}.")


def main(arguments: list[str]) -> int:
    """Evaluate and return the exit code: 2 for input that cannot be used, 1 for what went wrong on the way."""
    quiet_lightning()
    try:
        evaluate(parse_arguments(arguments))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except (OSError, NotFinite, NoPicture) as error:  # no room for a file, an observation that is no number
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except (RunInterrupted, KeyboardInterrupt):
        print("Interrupted.")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
