"""One job: a run from wherever an earlier start left it to its end."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from triptych import ranks
from triptych.build import Experiment, Watcher, build, make_trainer, plain
from triptych.files import write_text
from triptych.provenance.code import git_commit, versions
from triptych.provenance.hardware import available_bytes, time_limit
from triptych.provenance.identity import deciding_settings, leaves
from triptych.run.evaluation import evaluate_job
from triptych.run.exit_codes import is_stop_of_run, without_exit
from triptych.run.final import play_final
from triptych.run.folder import CannotGoOn, RunFolder
from triptych.run.lock import FolderInUse
from triptych.run.naming import env_name, folder_of, identity_of
from triptych.run.notes import budget_notes
from triptych.run.origin import changes_since, check_is_this_run, load, origin_of
from triptych.run.others import Others, Start, take_part
from triptych.run.tracking import Tracking
from triptych.run.weights import find_checkpoint
from triptych.run.words import RAISED_BY, introduction, result, sentence_of, tell_finished, tell_interrupted
from triptych.types import ConfigurationError, ExitCode, RunInterrupted

PROGRESS = ("frames", "env_steps", "updates", "wall_time_s", "frames_per_second")  # fields of summary.json
RESULTS = ("eval_return_mean", "eval_return_std", "eval_returns", "human_normalized_score", "stop_reason")
ENDING = ("status", "stop_reason", "error", *PROGRESS)  # that say how a run ended


def print_error(sentence: str) -> None:
    """Print a sentence about what went wrong."""
    print(f"error: {sentence}", file=sys.stderr)


def run(
    cfg: DictConfig,
    choices: dict[str, str],
    command: str,
    *,
    say_error: Callable[[str], None] = print_error,
    num_runs: int = 1,
    watchers: Sequence[Watcher] = (),
) -> ExitCode:
    """Run one job of a checked configuration; return its exit code.

    Args:
        cfg: the resolved configuration.
        choices: the option of each group, as the command line chose them.
        command: that goes on with this run.
        say_error: what to do with the sentence by which a job is refused.
        num_runs: jobs side by side on this machine, which share its cores and memory.
        watchers: callbacks beside those of the configuration.
    """

    def refuse(sentence: str, exit_code: ExitCode) -> ExitCode:
        say_error(sentence)
        return exit_code

    path = folder_of(cfg, choices)
    started = ranks.of_torchrun() if cfg.trainer.devices > 1 else None
    if started is not None and started[1] != cfg.trainer.devices:
        return refuse(
            f"trainer.devices={cfg.trainer.devices} does not fit: torchrun has started {started[1]} processes; use "
            f"trainer.devices={started[1]}.",
            ExitCode.BAD_INPUT,
        )
    if started is not None and started[0] > 0:
        return take_part(*started) if cfg.train else ExitCode.DONE
    if not cfg.train:
        return evaluate_job(cfg, path, identity_of(cfg))
    try:
        folder = RunFolder(path, fresh=cfg.fresh)
    except ConfigurationError as error:
        return refuse(str(error), ExitCode.BAD_INPUT)
    except FolderInUse as error:
        return refuse(str(error), ExitCode.FAILED)
    except (FileExistsError, NotADirectoryError):
        return refuse(f"run_dir={path} is a file, or lies below one; choose another run_dir.", ExitCode.FAILED)
    except OSError as error:
        return refuse(f"run folder {path}: {error}; choose one that can be written with run_dir=...", ExitCode.FAILED)
    others = Others(cfg.trainer.devices, folder.give_up)
    try:
        with others:
            return Job(folder, cfg, choices, command, others, num_runs, watchers).run()
    except ConfigurationError as error:
        return refuse(str(error), ExitCode.BAD_INPUT)
    except CannotGoOn as error:
        return refuse(str(error), ExitCode.FAILED)
    except OSError as error:
        return refuse(f"{error}; what was written before is kept. Go on with: {command}", ExitCode.FAILED)
    finally:
        folder.close()
        gc.collect()  # the next job of a sweep needs this one's memory


class Job:
    """A run in its folder: what was there before, what it is made of, and its three acts.

    Args:
        folder: locked for this process.
        others: processes of the run, not yet started.
        The rest: see `run`.
    """

    def __init__(
        self,
        folder: RunFolder,
        cfg: DictConfig,
        choices: dict[str, str],
        command: str,
        others: Others,
        num_runs: int = 1,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self.folder, self.cfg, self.command, self.others = folder, cfg, command, others
        self.num_runs, self.watchers = num_runs, watchers
        self.earlier, self.settings = folder.summary(), deciding_settings(plain(cfg))
        self.fields = {
            "algo": choices["algo"],
            "env": env_name(cfg, choices),
            "experiment": choices.get("experiment"),
            "protocol": cfg.protocol.name,
            "seed": cfg.seed,
            "total_frames": cfg.total_frames,
            "total_minutes": cfg.get("total_minutes"),
            "minutes_limit": time_limit(cfg.get("total_minutes"), cfg.trainer.get("max_time")),
            "identity": identity_of(cfg),
            "command": command,
            "task_name": cfg.task_name,
            "tags": plain(cfg.tags),
            "test": cfg.test,
            "git_commit": git_commit(),
            "versions": versions(),
        }

    def run(self) -> ExitCode:
        """Look at the folder, build the experiment, train and evaluate it.

        Raises:
            ConfigurationError: the folder is another run's, or a setting cannot work.
            CannotGoOn: no checkpoint can be read.
        """
        folder = self.folder
        if folder.moved_to is not None:
            folder.log(f"The earlier run was moved to {folder.moved_to}.")
        try:
            if folder.has_history:
                check_is_this_run(folder.path, folder.origin(), self.earlier, self.fields["identity"], self.settings)
            if self._is_finished():
                self._say_finished()
                return ExitCode.DONE
            checkpoint = folder.resume_checkpoint()
            if checkpoint is not None:
                origin = origin_of(checkpoint)
                check_is_this_run(folder.path, origin, self.earlier, self.fields["identity"], self.settings)
            weights = self._weights(checkpoint)
            available = available_bytes(folder.checkpoints / "replay", self.num_runs)
            if not self._is_trained():
                self.others.start(Start(plain(self.cfg), folder.path, checkpoint, weights, self.num_runs))
            experiment = build(self.cfg, folder.path, folder.log, available, weights, self.num_runs, self.watchers)
            if checkpoint is not None and not self._is_trained():
                experiment.data.check_saved(load(checkpoint).get(type(experiment.data).__qualname__, {}))
        except ConfigurationError:
            self._take_back()
            raise
        except CannotGoOn:
            raise
        except (Exception, SystemExit) as error:  # what an environment or a logger says when it is made
            return self._fail_to_start(error)
        self._begin(experiment, checkpoint)
        return self._train_and_evaluate(experiment, checkpoint)

    def _weights(self, checkpoint: Path | None) -> Path | None:
        """Return the checkpoint of another run from whose weights this one starts, if it starts."""
        start = self.cfg.ckpt_path
        self.fields["started_from"] = self.earlier.get("started_from") if checkpoint else None
        if start is None:
            return None
        if checkpoint is not None:
            self.folder.log(f"ckpt_path={start} is not read: the run goes on from its own {checkpoint.name}.")
            return None
        weights = find_checkpoint(Path(start).expanduser())
        self.fields["started_from"] = str(weights)
        return weights

    def _is_finished(self) -> bool:
        return self._is_trained() and not (self.cfg.test and self.earlier.get("eval_return_mean") is None)

    def _is_trained(self) -> bool:
        cfg, earlier = self.cfg, self.earlier
        if earlier.get("status") != "finished" or not {"stop_reason", *PROGRESS} <= earlier.keys():
            return False  # what is missing is seen again from the last checkpoint
        stop_reason = earlier.get("stop_reason")
        if stop_reason in ("total_minutes", "max_time"):
            minutes = time_limit(cfg.get("total_minutes"), cfg.trainer.get("max_time"))
            has_none_left = minutes is not None and round(60 * minutes, 1) <= earlier.get("wall_time_s", 0)
            return has_none_left or cfg.total_frames <= earlier.get("frames", 0)
        was_stopped = stop_reason != "total_frames" and cfg.total_frames <= earlier.get("total_frames", 0)
        goes_on_when_solved = stop_reason == "solved" and not cfg.stop_when_solved
        return cfg.total_frames <= earlier.get("frames", 0) or (was_stopped and not goes_on_when_solved)

    def _say_finished(self) -> None:
        folder, then, now = self.folder, self.earlier.get("git_commit"), self.fields["git_commit"]
        more = RAISED_BY.get(self.earlier.get("stop_reason") or "", "total_frames")
        advice = f"A larger {more} goes on, fresh=true starts over."
        folder.log(f"{folder.path} is finished: {result(self.earlier)}. {advice}")
        if then != now:
            folder.log(f"The code has changed since: {then} then, {now} now.")

    def _take_back(self) -> None:
        is_moved = self.folder.moved_to is not None
        self.folder.discard_if_new()
        if is_moved:
            self.folder.log(f"The earlier run is back in {self.folder.path}.")

    def _fail_to_start(self, error: BaseException) -> ExitCode:
        folder, error = self.folder, without_exit(error)
        if folder.moved_to is not None:
            self._take_back()
        self._tell("Failed to start", error)
        if not folder.has_history:  # an earlier run is still what it was
            what = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
            folder.update_summary(**self.fields, **self._no_results(), **dict.fromkeys(PROGRESS, 0), **what)
        return ExitCode.FAILED

    def _begin(self, experiment: Experiment, checkpoint: Path | None) -> None:
        """Write down what starts here, and print it."""
        folder, hardware = self.folder, experiment.hardware.describe()
        write_text(folder.path / "config.yaml", OmegaConf.to_yaml(self.cfg, resolve=True))
        reached = {name: self.earlier.get(name, 0) if checkpoint else 0 for name in PROGRESS}
        what = {"status": "running", "error": None, "replay_kept": None, "hardware": hardware}
        folder.update_summary(**self.fields, **self._no_results(), **reached, **what)
        experiment.checkpoint.after_save = lambda: folder.update_summary(**_progress(experiment))
        for name, text in introduction(self.cfg, experiment).items():
            folder.log(f"{name:>9}  {text}")
        for note in budget_notes(dict(leaves(plain(self.cfg.algo))), self.cfg.total_frames, experiment.spec.frame_skip):
            folder.log(f"{'note':>9}  {note}")
        started_from = self.fields["started_from"]
        start = f"from the weights of {started_from}" if started_from else "from scratch"
        folder.log(f"{'start':>9}  {checkpoint.name if checkpoint else start}")
        origin = {key: self.fields[key] for key in ("identity", "git_commit", "versions")}
        origin |= {"settings": self.settings, "hardware": hardware}
        changed = changes_since(origin_of(checkpoint), origin) if checkpoint else ""
        if changed:
            folder.log(f"{'changed':>9}  since the checkpoint: {changed}; what follows may differ in its last digits")
        experiment.checkpoint.origin = origin

    def _train_and_evaluate(self, experiment: Experiment, checkpoint: Path | None) -> ExitCode:
        folder, exit_code, progress = self.folder, ExitCode.FAILED, None
        tracking = Tracking(experiment.loggers, plain(self.cfg), self.fields, self._tell)
        try:
            with experiment.interrupt:
                tracking.begin()
                if self._is_trained():  # without its final evaluation, which is asked for now
                    progress = {name: self.earlier[name] for name in PROGRESS}
                    stop_reason = self.earlier["stop_reason"]
                else:
                    experiment.trainer.fit(experiment.module, experiment.data, ckpt_path=checkpoint, weights_only=True)
                    progress = _progress(experiment)  # before the best checkpoint turns the counters back
                    stop_reason = experiment.finish.stop_reason
                    self._go_on_alone(experiment)
                folder.update_summary(**progress, stop_reason=stop_reason)
                if self.cfg.test:
                    identity, frames = self.fields["identity"], progress["frames"]
                    play_final(experiment, folder, tracking, identity, frames, has_video=self.cfg.callbacks.video)
                is_kept = self._keep_replay(experiment.checkpoint.keep_replay)
                folder.update_summary(status="finished", replay_kept=is_kept)
                has_video, num_skipped = self.cfg.test and self.cfg.callbacks.video, experiment.module.skipped_updates
                tell_finished(folder, has_video=has_video, num_skipped=num_skipped)
            # A signal that came with the last update has nothing more to end here but a sweep.
            exit_code = ExitCode.INTERRUPTED if experiment.interrupt.is_requested else ExitCode.DONE
        except (Exception, RunInterrupted, KeyboardInterrupt, SystemExit) as error:
            is_stop = is_stop_of_run(error, experiment.interrupt.is_requested)
            exit_code = self._end(experiment, progress) if is_stop else self._fail(error, experiment, progress)
        finally:
            experiment.data.teardown("fit")  # Lightning leaves the emulators open after an error
            ending = folder.summary()
            tracking.close(exit_code, **{name: ending.get(name) for name in ENDING})
        return exit_code

    def _end(self, experiment: Experiment, progress: dict[str, Any] | None) -> ExitCode:
        """Write down that a signal ended the run, after its training where there is ``progress`` already."""
        self.others.end()
        is_saved = progress is not None or experiment.checkpoint.saved_frames == experiment.data.clock.frames
        reached = (progress or _progress(experiment)) if is_saved else {}
        self.folder.update_summary(status="interrupted", **self._results_kept(experiment), **reached)
        tell_interrupted(self.folder, experiment.checkpoint.best_value, self.command, is_saved=is_saved)
        return ExitCode.INTERRUPTED

    def _fail(self, error: BaseException, experiment: Experiment, progress: dict[str, Any] | None) -> ExitCode:
        """Write down what went wrong, after training where there is ``progress`` already."""
        exit_code = ExitCode.BAD_INPUT if isinstance(error, ConfigurationError) else ExitCode.FAILED
        cause = self.others.explain(without_exit(error), self.folder.note)
        self.others.end(0.0)
        self._tell("Failed", cause)
        what = {"status": "failed", "error": f"{type(cause).__name__}: {cause}"}
        if progress is None and experiment.data.clock.frames:  # else its checkpoint was not read
            progress = _progress(experiment)
        self.folder.update_summary(**what, **self._results_kept(experiment), **(progress or {}))
        return exit_code

    def _keep_replay(self, is_asked_for: bool) -> bool | None:
        """Drop the replay of a run that is over unless it is asked for; return whether it is there, if it ever was."""
        if not (self.folder.checkpoints / "replay").exists():
            return None if self.earlier.get("replay_kept") is None else False
        if not is_asked_for:
            self.folder.drop_replay()
        return is_asked_for

    def _go_on_alone(self, experiment: Experiment) -> None:
        """Let the other processes go: what follows training needs none."""
        if ranks.size() > 1:
            self.others.end()
            experiment.trainer = make_trainer(experiment.hardware, experiment.trainer.callbacks, [], self.folder.path)  # type: ignore

    def _tell(self, what: str, error: Exception) -> None:
        sentence = str(error) if isinstance(error, ConfigurationError) else sentence_of(error)
        self.folder.log(f"{what}: {sentence} (traceback in {self.folder.path / 'train.log'})")
        self.folder.note(traceback.format_exc())

    def _no_results(self) -> dict[str, None]:
        of_other_modes = [name for name in self.earlier if name.startswith("eval_return_")]
        return dict.fromkeys([*RESULTS, *of_other_modes])

    def _results_kept(self, experiment: Experiment) -> dict[str, Any]:
        """Return the results of an earlier run that has not gone on as far as a checkpoint."""
        has_gone_on = experiment.checkpoint.saved_frames is not None or not self.earlier
        return {} if has_gone_on else {name: self.earlier[name] for name in self._no_results() if name in self.earlier}


def _progress(experiment: Experiment) -> dict[str, Any]:
    clock, seconds = experiment.data.clock, experiment.metrics.wall_time_s
    return {
        "frames": clock.frames,
        "env_steps": clock.env_steps,
        "updates": experiment.module.updates,
        "wall_time_s": round(seconds, 1),
        "frames_per_second": round(clock.frames / seconds, 1) if seconds else None,
    }
