"""The life of one run: where it lives, where it goes on, how it ends."""

from __future__ import annotations

import gc
import logging
import statistics
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
from triptych.rules import check_values
from triptych.run_folder import CannotGoOn, FolderInUse, RunFolder, git_commit, identity_hash, versions, write_text
from triptych.types import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
FINISHED, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130  # exit codes
PROGRESS = ("frames", "env_steps", "updates", "wall_time_s", "frames_per_second")  # fields of summary.json
RESULTS = ("eval_return_mean", "eval_return_std", "eval_returns", "human_normalized_score", "stop_reason")


def env_name(cfg: DictConfig, choices: dict[str, str]) -> str:
    """Name the environment as the command line does, and those of ``env=gym`` by their id."""
    return cfg.env.id.rpartition(":")[2].replace("/", "_") if choices["env"] == "gym" else choices["env"]


def identity_of(cfg: DictConfig) -> str:
    """Hash what decides the learning."""
    return identity_hash({key: plain(cfg[key]) for key in ("algo", "env", "protocol", "seed")})


def folder_of(cfg: DictConfig, choices: dict[str, str]) -> Path:
    """Name the run's folder: outputs/<algo>/<env>/<protocol>/seed<seed>-<hash8>."""
    if cfg.run_dir is not None:
        return Path(cfg.run_dir)
    name = f"seed{cfg.seed}-{identity_of(cfg)}"
    return Path("outputs") / choices["algo"] / env_name(cfg, choices) / cfg.protocol.name / name


def run(cfg: DictConfig, choices: dict[str, str], command: str) -> int:
    """Run one job to its end, from wherever an earlier start left it; return its exit code."""
    path = folder_of(cfg, choices)
    try:
        check_values(cfg)
        folder = RunFolder(path, fresh=cfg.fresh)
    except ConfigurationError as error:
        return _refuse(str(error), BAD_INPUT)
    except FolderInUse as error:
        return _refuse(str(error), FAILED)
    except OSError as error:
        return _refuse(f"run folder {path}: {error}; choose one that can be written with run_dir=...", FAILED)
    try:
        return _run_in(folder, cfg, choices, command)
    except CannotGoOn as error:
        return _refuse(str(error), FAILED)
    except OSError as error:
        return _refuse(f"{error}; what was written before is kept. Go on with: {command}", FAILED)
    finally:
        folder.close()
        gc.collect()  # the next job of a sweep needs this one's memory


def _refuse(sentence: str, exit_code: int) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return exit_code


def _is_finished(cfg: DictConfig, earlier: dict[str, Any]) -> bool:
    if earlier.get("status") != "finished":
        return False
    stop_reason = earlier.get("stop_reason")
    was_stopped = stop_reason != "total_frames" and cfg.total_frames <= earlier.get("total_frames", 0)
    goes_on_when_solved = stop_reason == "solved" and not cfg.stop_when_solved
    return cfg.total_frames <= earlier.get("frames", 0) or (was_stopped and not goes_on_when_solved)


def _run_in(folder: RunFolder, cfg: DictConfig, choices: dict[str, str], command: str) -> int:
    commit, earlier, identity = git_commit(ROOT), folder.summary(), identity_of(cfg)
    if folder.moved_to is not None:
        folder.log(f"The earlier run was moved to {folder.moved_to}.")
    is_another = earlier.get("identity", identity) != identity
    if is_another and folder.has_history:
        return _refuse(
            f"run_dir={folder.path} holds another run ({earlier['command']}); "
            "choose another run_dir, or move that run aside with fresh=true.",
            BAD_INPUT,
        )
    if _is_finished(cfg, earlier):
        advice = "A larger total_frames goes on, fresh=true starts over."
        folder.log(f"{folder.path} is finished: {_result(earlier)}. {advice}")
        if commit != earlier.get("git_commit"):
            folder.log(f"The code has changed since: {earlier.get('git_commit')} then, {commit} now.")
        return FINISHED
    fields = {
        "algo": choices["algo"],
        "env": env_name(cfg, choices),
        "experiment": choices.get("experiment"),
        "protocol": cfg.protocol.name,
        "seed": cfg.seed,
        "total_frames": cfg.total_frames,
        "identity": identity,
        "command": command,
        "git_commit": commit,
        "versions": versions(),
    }
    of_other_modes = [name for name in earlier if name.startswith("eval_return_")]
    no_results = dict.fromkeys([*RESULTS, *of_other_modes])
    try:
        checkpoint = folder.resume_checkpoint()
        experiment = build(cfg, folder.path, folder.log, room=storage_bytes)
    except ConfigurationError as error:
        folder.discard_if_new()
        return _refuse(str(error), BAD_INPUT)
    except CannotGoOn:
        raise
    except Exception as error:  # what an environment or a logger says when it is made
        if folder.moved_to is not None:
            folder.discard_if_new()
            folder.log(f"The earlier run is back in {folder.path}.")
        folder.log(f"Failed to start: {_sentence(error)} (traceback in {folder.path / 'train.log'})")
        folder.note(traceback.format_exc())
        if not folder.has_history:  # an earlier run is still what it was
            what = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
            folder.update_summary(**fields, **no_results, **dict.fromkeys(PROGRESS, 0), **what)
        return FAILED

    write_text(folder.path / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    reached = {name: earlier.get(name, 0) if checkpoint else 0 for name in PROGRESS}
    folder.update_summary(**fields, **no_results, **reached, status="running", error=None, hardware=experiment.hardware)
    experiment.checkpoint.after_save = lambda: folder.update_summary(**_progress(experiment))
    _introduce(folder, cfg, experiment, checkpoint)
    exit_code, progress = FAILED, None
    try:
        with experiment.interrupt:
            experiment.trainer.fit(experiment.module, experiment.data, ckpt_path=checkpoint, weights_only=True)
            progress = _progress(experiment)  # before the best checkpoint turns the counters back
            _evaluate(folder, cfg, experiment, progress)
        exit_code = FINISHED
    except (RunInterrupted, KeyboardInterrupt, SystemExit):  # Lightning turns a second Ctrl-C into an exit
        progress = progress or _progress(experiment)
        folder.update_summary(status="interrupted", **progress)
        folder.log(f"Interrupted at {progress['frames']:,} frames; go on with: {command}")
        exit_code = INTERRUPTED
    except Exception as error:
        exit_code = BAD_INPUT if isinstance(error, ConfigurationError) else FAILED
        folder.log(f"Failed: {_sentence(error)} (traceback in {folder.path / 'train.log'})")
        folder.note(traceback.format_exc())
        fields = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
        folder.update_summary(**fields, **(progress or _progress(experiment)))
    finally:
        experiment.data.teardown("fit")  # Lightning leaves the emulators open after an error
        experiment.close_loggers(exit_code)
    return exit_code


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
    decay_env_steps = experiment.module.learning_rate_decay_env_steps
    if decay_env_steps is not None and decay_env_steps * spec.frame_skip < cfg.total_frames:
        lines["note"] = (
            f"nothing is learnt after {decay_env_steps * spec.frame_skip:,} frames, where the learning rate reaches 0; "
            f"algo.learning_rate_decay_env_steps={decay_env_steps} is shorter than total_frames={cfg.total_frames}"
        )
    for name, text in lines.items():
        folder.log(f"{name:>9}  {text}")


def _evaluate(folder: RunFolder, cfg: DictConfig, experiment: Experiment, progress: dict[str, Any]) -> None:
    """Play the final evaluation with the best checkpoint, write what came of it, then the video."""
    trainer, data = experiment.trainer, experiment.data
    trainer.test(experiment.module, data, ckpt_path=folder.best_checkpoint(), weights_only=True, verbose=False)
    episodes = data.evaluation_episodes
    returns = [episode.episode_return for episode in episodes]
    mean = statistics.fmean(returns)
    metrics = trainer.callback_metrics  # of other ways to play too, such as a planner's without its search
    others = {name.replace("/", "_"): float(metrics[name]) for name in metrics if name.startswith("eval/return_mean_")}
    folder.update_summary(
        eval_return_mean=mean,
        eval_return_std=statistics.pstdev(returns),
        eval_returns=returns,
        human_normalized_score=experiment.spec.human_normalized_score(mean),
        **others,
        stop_reason=experiment.finish.stop_reason,
        **progress,
    )
    if cfg.callbacks.video:
        median = sorted(episodes, key=lambda episode: episode.episode_return)[len(episodes) // 2]
        game = data.make_game(1)
        try:
            write_video(folder.path / "videos" / "evaluation.mp4", game, median)
        except Exception as error:  # a picture less must not cost the run
            folder.log(f"No video could be made: {_sentence(error)}")
            folder.note(traceback.format_exc())
        finally:
            game.close()
    folder.update_summary(status="finished")
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
