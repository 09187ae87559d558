"""Evaluating a checkpoint on episodes that neither its training nor its own evaluations have seen."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from triptych.build import Experiment
from triptych.callbacks.video import write_video
from triptych.files import find_link, read_json, write_text
from triptych.provenance.code import git_commit, versions
from triptych.run.exit_codes import exit_code_of
from triptych.run.origin import origin_of
from triptych.run.restore import check_is_its_game, prepare
from triptych.run.weights import find_checkpoint, read_state
from triptych.types import ConfigurationError, Episode, ExitCode


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
        "identity": origin_of(checkpoint).get("identity"),  # of the checkpoint's run, which may be another one
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


def play_evaluation(
    cfg: DictConfig,
    checkpoint: Path,
    folder: Path,
    *,
    num_episodes: int,
    num_envs: int,
    accelerator: str = "auto",
    with_video: bool = False,
) -> None:
    """Play, print and write ``evaluation.json`` and, where asked for, the video of the median episode.

    Args:
        cfg: of the run.
        checkpoint: whose parameters play.
        folder: where the files go.
        The rest: see `prepare`.

    Raises:
        ConfigurationError: the config or the checkpoint cannot be used.
    """
    state = read_state(checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        experiment = prepare(cfg, state, Path(scratch), num_episodes, num_envs, accelerator)
        data = experiment.data
        with experiment.interrupt:
            experiment.trainer.test(experiment.module, data, ckpt_path=checkpoint, weights_only=True, verbose=False)
            result = summarize(experiment, checkpoint)
            print_table(result)  # first: it shows what was played where no file can be written
            write_text(folder / "evaluation.json", json.dumps(result, indent=2) + "\n")
            print(f"Written to {folder / 'evaluation.json'}.")
            if with_video:
                video = folder / "videos" / f"evaluate-{checkpoint.stem}.mp4"
                game = data.evaluator.make_evaluation_game(1)
                try:
                    write_video(video, game, median_episode(data.evaluator.episodes))
                finally:
                    game.close()
                print(f"The median episode is in {video}.")


def evaluate_job(cfg: DictConfig, path: Path, identity: str) -> ExitCode:
    """Serve ``train=false``: evaluate the run of a command line, or the checkpoint of its ``ckpt_path``.

    Args:
        cfg: the resolved configuration.
        path: the run's folder.
        identity: of the run.
    """

    def evaluate() -> None:
        checkpoint, folder = _named(cfg, path, identity)
        check_is_its_game(checkpoint, cfg)
        is_in_run = checkpoint.parent.name == "checkpoints"
        link = find_link(folder) if is_in_run else None
        if link is not None:  # writing through it would change what is not the run's
            raise ConfigurationError(f"{folder} holds a link, {link}; replace it by what it stands for.")
        plan = {"num_episodes": cfg.eval.final_episodes, "num_envs": cfg.eval.num_envs}
        play_evaluation(cfg, checkpoint, folder, **plan, accelerator=cfg.trainer.accelerator)

    return exit_code_of(evaluate)


def _named(cfg: DictConfig, path: Path, identity: str) -> tuple[Path, Path]:
    """Return the checkpoint that a command line names, and the folder where its evaluation goes."""
    if cfg.ckpt_path is not None:
        checkpoint = find_checkpoint(Path(cfg.ckpt_path).expanduser())
        is_in_run = checkpoint.parent.name == "checkpoints"
        return checkpoint, checkpoint.parent.parent if is_in_run else checkpoint.parent
    if not any((path / "checkpoints" / f"{name}.ckpt").is_file() for name in ("best", "last")):
        raise ConfigurationError(
            f"train=false plays a checkpoint, and there is none in {path}; leave train=false out to train this run, or "
            "name another one's folder by ckpt_path=..."
        )
    checkpoint = find_checkpoint(path)
    found = origin_of(checkpoint).get("identity")
    if found is None:
        with contextlib.suppress(OSError, ValueError):
            found = read_json(path / "summary.json").get("identity")
    if found not in (None, identity):
        raise ConfigurationError(f"run_dir={path} holds another run; name its folder by ckpt_path={path}.")
    return checkpoint, path
