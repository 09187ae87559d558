"""The life of one run: where it lives, where it goes on, how it ends."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from triptych.build import Experiment, build, plain
from triptych.callbacks.interrupt import RunInterrupted
from triptych.callbacks.video import write_video
from triptych.hardware import storage_bytes
from triptych.run_folder import FolderInUse, RunFolder, git_commit, identity_hash, versions, write_text
from triptych.types import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
FINISHED, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130  # exit codes


def env_name(cfg: DictConfig, choices: dict[str, str]) -> str:
    """Name the environment as the command line does, and those of ``env=gym`` by their id."""
    return cfg.env.id.replace("/", "_") if choices["env"] == "gym" else choices["env"]


def folder_of(cfg: DictConfig, choices: dict[str, str]) -> Path:
    """Name the run's folder: outputs/<algo>/<env>/<protocol>/seed<seed>-<hash8>."""
    if cfg.run_dir is not None:
        return Path(cfg.run_dir)
    identity = {key: plain(cfg[key]) for key in ("algo", "env", "protocol", "seed")}
    name = f"seed{cfg.seed}-{identity_hash(identity)}"
    return Path("outputs") / choices["algo"] / env_name(cfg, choices) / cfg.protocol.name / name


def run(cfg: DictConfig, choices: dict[str, str], command: str) -> int:
    """Run one job to its end, from wherever an earlier start left it; return its exit code."""
    path = folder_of(cfg, choices)
    try:
        folder = RunFolder(path, fresh=cfg.fresh)
    except (FolderInUse, OSError) as error:
        print(f"error: {error}" if isinstance(error, FolderInUse) else f"error: run folder {path}: {error}; "
              "choose a folder that can be written with run_dir=...", file=sys.stderr)  # fmt: skip
        return FAILED
    try:
        return _run_in(folder, cfg, choices, command)
    finally:
        folder.close()


def _run_in(folder: RunFolder, cfg: DictConfig, choices: dict[str, str], command: str) -> int:
    commit, earlier = git_commit(ROOT), folder.summary()
    if folder.moved_to is not None:
        folder.log(f"The earlier run was moved to {folder.moved_to}.")
    if earlier.get("status") == "finished" and (
        cfg.total_frames <= earlier["frames"] or earlier.get("stop_reason") == "solved"
    ):
        folder.log(
            f"{folder.path} is finished: {_result(earlier)}. A larger total_frames goes on, fresh=true starts over."
        )
        if commit != earlier.get("git_commit"):
            folder.log(f"The code has changed since: {earlier.get('git_commit')} then, {commit} now.")
        return FINISHED
    try:
        checkpoint = folder.resume_checkpoint()
        experiment = build(cfg, folder.path, folder.log)
        experiment.data.check_room(storage_bytes)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED

    write_text(folder.path / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    folder.update_summary(
        status="running",
        error=None,
        algo=choices["algo"],
        env=env_name(cfg, choices),
        experiment=choices.get("experiment"),
        protocol=cfg.protocol.name,
        git_commit=commit,
        versions=versions(),
        seed=cfg.seed,
        command=command,
        hardware=experiment.hardware,
    )
    _introduce(folder, cfg, experiment, checkpoint)
    try:
        _train_and_evaluate(folder, cfg, experiment, checkpoint)
    except RunInterrupted:
        folder.update_summary(status="interrupted", **_progress(experiment))
        folder.log(f"Interrupted at {experiment.data.frames:,} frames; the same command goes on from here: {command}")
        experiment.close_loggers(INTERRUPTED)
        return INTERRUPTED
    except Exception as error:
        folder.update_summary(status="failed", error=f"{type(error).__name__}: {error}", **_progress(experiment))
        folder.note(traceback.format_exc())
        folder.log(f"Failed: {_sentence(error)} (traceback in {folder.path / 'train.log'})")
        experiment.close_loggers(FAILED)
        return FAILED
    experiment.close_loggers(FINISHED)
    return FINISHED


def _introduce(folder: RunFolder, cfg: DictConfig, experiment: Experiment, checkpoint: Path | None) -> None:
    spec, data = experiment.spec, experiment.data
    lines = {
        "run": folder.path,
        "env": f"{spec.name}, protocol {spec.protocol}, {experiment.measured_frame_skip} frames per step (measured), "
        f"{data.num_envs} at once",
        "hardware": ", ".join(f"{key} {value}" for key, value in experiment.hardware.items()),
        "rhythm": f"a turn is {data.turn.env_steps} env steps and {data.turn.updates} updates",
        **data.describe(),
        "start": f"{checkpoint.name}" if checkpoint else "from scratch",
    }
    for name, text in lines.items():
        folder.log(f"{name:>9}  {text}")


def _train_and_evaluate(folder: RunFolder, cfg: DictConfig, experiment: Experiment, checkpoint: Path | None) -> None:
    trainer, module, data = experiment.trainer, experiment.module, experiment.data
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)

    best = folder.checkpoints / "best.ckpt"
    # Before the best checkpoint turns counters and callbacks back to when it was saved:
    progress, is_solved = _progress(experiment), experiment.finish.is_solved
    trainer.test(module, data, ckpt_path=best, weights_only=True, verbose=False)
    episodes = data.evaluation_episodes
    results = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if cfg.callbacks.video:
        episode = sorted(episodes, key=lambda episode: episode.episode_return)[len(episodes) // 2]
        game = data.make_game(1)
        write_video(folder.path / "videos" / "evaluation.mp4", game, episode)
        game.close()
    summary: dict[str, Any] = {
        "eval_return_mean": results["eval/return_mean"],
        "eval_return_std": results["eval/return_std"],
        "eval_returns": [episode.episode_return for episode in episodes],
        "human_normalized_score": results.get("eval/human_normalized_score"),
        "stop_reason": "solved" if is_solved else "total_frames",
        **progress,
    }
    folder.update_summary(status="finished", **summary)
    folder.log(f"Finished: {_result(folder.summary())}")


def _progress(experiment: Experiment) -> dict[str, Any]:
    frames, seconds = experiment.data.frames, experiment.metrics.wall_time_s
    return {
        "frames": frames,
        "env_steps": experiment.data.env_steps,
        "updates": experiment.module.updates,
        "wall_time_s": round(seconds, 1),
        "frames_per_second": round(frames / seconds, 1) if seconds else None,
    }


def _result(summary: dict[str, Any]) -> str:
    score = summary.get("human_normalized_score")
    return (
        f"mean return {summary['eval_return_mean']:.2f} over {len(summary['eval_returns'])} evaluation episodes"
        + (f", human-normalised {score:.2f}" if score is not None else "")
        + f", after {summary['frames']:,} frames"
    )


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def quiet_lightning() -> None:
    """Keep Lightning's tips and the warnings about what is meant so from the reader."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    meant_so = (
        ".*LeafSpec.*",
        ".*`IterableDataset` has `__len__`.*",
        ".*smaller than the logging interval.*",
        ".*does not have many workers.*",
    )
    for message in meant_so:
        warnings.filterwarnings("ignore", message)
