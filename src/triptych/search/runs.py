"""A trial of a search is a run for each seed, each in a folder of its own, which goes on after a kill as any run."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from triptych.callbacks.evaluations import Evaluations
from triptych.command.check import check_job
from triptych.command.compose import Job, compose_jobs
from triptych.command.fixed import as_override
from triptych.command.names import canonical
from triptych.files import read_csv, read_json
from triptych.run.job import run
from triptych.run.naming import folder_of
from triptych.run.quiet import quiet_lightning
from triptych.search.plan import Plan
from triptych.search.study import Pruned, Report, TrialFailed
from triptych.types import ConfigurationError, ExitCode

Tell = Callable[[int, float], bool]  # number of an evaluation, its mean


class Runs:
    """Plays trials as runs.

    Args:
        arguments: of every trial, as a command line has them.
        conf: this project's configuration.
        folder: of the trials.
        plan: what is searched.
    """

    def __init__(self, arguments: list[str], conf: Path, folder: Path, plan: Plan) -> None:
        self.arguments, self.conf, self.folder, self.plan = arguments, conf, folder, plan

    def check(self) -> None:
        """Check the ends of what every key may be, beside the first values of the others.

        Raises:
            ConfigurationError: one cannot be run.
        """
        first = {key: dimension.extremes[0] for key, dimension in self.plan.space.items()}
        changed = [
            first | {key: value} for key, dimension in self.plan.space.items() for value in dimension.extremes[1:]
        ]
        for values in (first, *changed):
            cfg = self._job("check", values, self.plan.seeds[0])[0].cfg
            check_job(cfg)
            if isinstance(cfg.trainer.devices, int) and cfg.trainer.devices > 1:
                raise ConfigurationError(
                    f"trainer.devices={cfg.trainer.devices} does not fit a search: one process alone decides to end a "
                    "trial early; leave it out."
                )
            for key in ("train", "test"):
                if not cfg[key]:
                    raise ConfigurationError(f"{key}=false leaves a trial without a score; leave it out.")

    def play(self, name: str, values: dict[str, Any], report: Report) -> float:
        """Play a trial and return its score, the mean over its seeds of their final evaluation.

        Raises:
            Pruned: ``report`` asked for its end.
            TrialFailed: a run failed, or was refused.
            KeyboardInterrupt: somebody stopped it.
        """
        scores: list[float] = []
        for index, seed in enumerate(self.plan.seeds):
            job, command = self._job(name, values, seed)
            first = index * (self._num_evaluations(job) + 1)

            def tell(number: int, mean: float, first: int = first) -> bool:
                return report(first + number, statistics.fmean([*scores, mean]))

            scores.append(self._score(job, command, tell))
        return statistics.fmean(scores)

    def _job(self, name: str, values: dict[str, Any], seed: int) -> tuple[Job, str]:
        """Compose one run; also return its command."""
        own = canonical([as_override(key, value) for key, value in values.items()], self.conf)
        own += [f"seed={seed}", as_override("run_dir", str(self.folder / name / f"seed{seed}"))]
        (job,) = compose_jobs([*self.arguments, *own], self.conf)
        return job, shlex.join(["python", "train.py", *self.arguments, *own])

    def _num_evaluations(self, job: Job) -> int:
        return math.ceil(job.cfg.total_frames / job.cfg.eval.period_frames)

    def _score(self, job: Job, command: str, tell: Tell) -> float:
        """Play one run, or go on with it, and return the mean of its final evaluation."""
        folder = folder_of(job.cfg, job.choices)
        sentences: list[str] = []

        def tell_of(frames: int, mean: float) -> bool:
            is_last = frames >= job.cfg.total_frames
            return tell(self._num_evaluations(job) if is_last else frames // job.cfg.eval.period_frames, mean)

        is_trained = _summary(folder).get("stop_reason") is not None
        for frames, mean in _evaluations(folder):  # of a run whose process was killed
            if tell_of(frames, mean) and not is_trained and frames < job.cfg.total_frames:
                raise Pruned
        quiet_lightning()
        try:
            check_job(job.cfg)
            evaluations = Evaluations(tell_of)
            exit_code = run(job.cfg, job.choices, command, say_error=sentences.append, watchers=[evaluations])
        except ConfigurationError as error:
            raise TrialFailed(str(error)) from error
        if exit_code == ExitCode.INTERRUPTED:
            raise Pruned if evaluations.has_ended_it else KeyboardInterrupt
        summary = _summary(folder)
        score = summary.get("eval_return_mean")
        if exit_code != ExitCode.DONE or not isinstance(score, int | float):
            raise TrialFailed(" ".join(sentences) or str(summary.get("error") or "there is no final evaluation"))
        return float(score)


def _summary(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / "summary.json")
    except (OSError, ValueError):
        return {}


def _evaluations(folder: Path) -> list[tuple[int, float]]:
    """Return frames and mean of the evaluations that a run has filed."""
    try:
        rows = read_csv(folder / "metrics.csv")[1]
        return [(int(row["frames"]), float(row["eval/return_mean"])) for row in rows if row.get("eval/return_mean")]
    except (OSError, ValueError, KeyError):
        return []
