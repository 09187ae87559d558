"""Evaluate a run's checkpoint on episodes that neither its training nor its own evaluations have seen.

python scripts/evaluate.py outputs/dqn/pong/nature/seed1-1234abcd --episodes 30
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.table import Table

from triptych.build import Experiment, build
from triptych.callbacks.video import write_video
from triptych.data.datamodule import EVALUATE_STREAM
from triptych.run_folder import git_commit, versions, write_text
from triptych.types import ConfigurationError, Episode

ROOT = Path(__file__).resolve().parents[1]
DONE, BAD_INPUT = 0, 2  # exit codes


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
    parser.add_argument("--num-envs", type=int, default=8, help="environments that share the episodes (default: 8)")
    options = parser.parse_args(arguments)
    for name in ("episodes", "num_envs"):
        if getattr(options, name) < 1:
            raise ConfigurationError(
                f"--{name.replace('_', '-')} {getattr(options, name)} is not allowed: "
                "it takes a whole number from 1 up."
            )
    return options


def load_config(run_folder: Path) -> DictConfig:
    """Read the resolved config of a run.

    Raises:
        ConfigurationError: there is none that can be read.
    """
    if not run_folder.is_dir():
        raise ConfigurationError(f"{run_folder} is not a folder; give the folder of a run, as train.py prints it.")
    path = run_folder / "config.yaml"
    if not path.is_file():
        raise ConfigurationError(f"{run_folder} has no config.yaml; give the folder of a run, as train.py prints it.")
    try:
        cfg = OmegaConf.load(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise ConfigurationError(f"{path} cannot be read ({type(error).__name__}).") from error
    if not isinstance(cfg, DictConfig) or not {"algo", "env", "protocol", "eval", "seed"} <= set(cfg):
        raise ConfigurationError(f"{path} is not the config of a run.")
    return cfg


def load_checkpoint(run_folder: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """Find a checkpoint and read it; only tensors and plain data are accepted.

    Raises:
        ConfigurationError: there is none of this name, or it cannot be read.
    """
    path = run_folder / "checkpoints" / f"{name}.ckpt" if name in ("best", "last") else Path(name)
    if not path.is_file():
        known = sorted(found.name for found in (run_folder / "checkpoints").glob("*.ckpt"))
        raise ConfigurationError(f"There is no checkpoint {path}; the run has: {', '.join(known) or 'none'}.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        state_dict = checkpoint["state_dict"]
    except Exception as error:  # a broken file may fail in any way
        raise ConfigurationError(
            f"Checkpoint {path} cannot be read ({type(error).__name__}): it is cut short, damaged or not of a run."
        ) from error
    return path, state_dict


def prepare(cfg: DictConfig, options: argparse.Namespace, state_dict: dict[str, Any], scratch: Path) -> Experiment:
    """Build the run's experiment without loggers, for episodes of the third stream of seeds.

    Raises:
        ConfigurationError: the config does not fit this version, or the checkpoint does not fit the config.
    """
    OmegaConf.set_struct(cfg, False)
    cfg.logger = {}
    cfg.callbacks.progress = False
    cfg.eval.final_episodes, cfg.eval.num_envs = options.episodes, options.num_envs
    try:
        # Whatever the experiment might write lands in a scratch folder: the run's own files stay as they are.
        experiment = build(cfg, scratch)
    except (HydraException, OmegaConfBaseException) as error:
        sentence = str(error).strip().splitlines()[0]
        raise ConfigurationError(f"The run's config.yaml does not fit this version of the code: {sentence}") from error
    experiment.data.test_stream = EVALUATE_STREAM
    try:
        experiment.module.load_state_dict(state_dict)
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            "The checkpoint does not fit the run's config.yaml: it holds another network, "
            "or one of another version of the code."
        ) from error
    return experiment


def summarize(experiment: Experiment, checkpoint: Path) -> dict[str, Any]:
    """Put what came out of an evaluation into plain data."""
    episodes, spec = experiment.data.evaluation_episodes, experiment.spec
    returns = [episode.episode_return for episode in episodes]
    mean = statistics.fmean(returns)
    return {
        "env": spec.name,
        "protocol": spec.protocol,
        "checkpoint": checkpoint.name,
        "frames": experiment.data.frames,
        "num_episodes": len(episodes),
        "mean": mean,
        "std": statistics.pstdev(returns),
        "min": min(returns),
        "median": statistics.median(returns),
        "max": max(returns),
        "human_normalized_score": spec.human_normalized_score(mean),
        "returns": returns,
        "lengths": [episode.length for episode in episodes],
        "seeds": [episode.seed for episode in episodes],
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "git_commit": git_commit(ROOT),
        "versions": versions(),
        "hardware": experiment.hardware,
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
    cfg = load_config(folder)
    path, state_dict = load_checkpoint(folder, options.checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        experiment = prepare(cfg, options, state_dict, Path(scratch))
        data = experiment.data
        experiment.trainer.test(experiment.module, data, ckpt_path=path, weights_only=True, verbose=False)
        result = summarize(experiment, path)
        write_text(folder / "evaluation.json", json.dumps(result, indent=2) + "\n")
        print_table(result)
        print(f"Written to {folder / 'evaluation.json'}.")
        if options.video:
            video, game = folder / "videos" / f"evaluate-{path.stem}.mp4", data.make_game(1)
            write_video(video, game, median_episode(data.evaluation_episodes))
            game.close()
            print(f"The median episode is in {video}.")


def main(arguments: list[str]) -> int:
    """Evaluate and return the exit code: 2 for input that cannot be used."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for text in ("does not have many workers", "isinstance.treespec", "`IterableDataset` has `__len__`"):
        warnings.filterwarnings("ignore", f".*{text}.*")
    try:
        evaluate(parse_arguments(arguments))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
