"""The jobs of a checked command line, run by Hydra: in this process, or wherever a launcher takes them."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from triptych.command.closing import closing_table
from triptych.command.compose import Job
from triptych.command.launchers import count_jobs, num_side_by_side
from triptych.command.ledger import Ledger, record_line
from triptych.command.output import lasting_output
from triptych.command.search_path import split
from triptych.files import read_json, write_text
from triptych.types.errors import ConfigurationError, ExitCode

SWEEPS = Path("outputs", ".sweeps")  # hydra.sweep.dir of conf/train.yaml


def run_jobs(arguments: list[str], conf: Path, jobs: Sequence[Job] | None = None) -> int:
    """Run every job that Hydra makes of the command line, print a table of several, return the worst exit code.

    Args:
        arguments: the command line.
        conf: this project's configuration.
        jobs: those that were composed to check them, of a large sweep some; ``None`` where Hydra only answers
            a question.
    """
    line = split(arguments)
    num_jobs: int | None = 1
    place, record = None, None
    launchers = {job.choices.get("hydra/launcher", "basic") for job in jobs or ()}  # of files, too
    if launchers - {"basic"}:
        SWEEPS.mkdir(parents=True, exist_ok=True)  # which other machines see as they see the runs' folders
        place = SWEEPS.resolve()
    if jobs is not None and line.is_sweep:
        num_jobs = count_jobs(arguments, conf)
        record = _write_record(arguments, jobs, num_jobs)
    with tempfile.TemporaryDirectory(prefix=".jobs-", dir=place) as folder:
        sweep = Sweep(Ledger(Path(folder), record), num_jobs)
        return _run_jobs(arguments, conf, sweep, is_sweep=line.is_sweep and jobs is not None)


class Sweep(NamedTuple):
    """What every job of a command line is told."""

    ledger: Ledger
    num_jobs: int | None  # ``None`` where only a sweeper that searches knows


def _write_record(arguments: list[str], jobs: Sequence[Job], num_jobs: int | None) -> Path | None:
    """Write down what a sweep is to run, under a name that the same command has again; return where."""
    from triptych.run.naming import folder_of

    given = [argument for argument in arguments if not argument.startswith("fresh=")]
    path = SWEEPS.resolve() / f"{hashlib.sha256(shlex.join(given).encode()).hexdigest()[:8]}.jsonl"
    header = {"command": shlex.join([*program_name(), *given]), "num_jobs": num_jobs, "started": time.time()}
    planned = [(" ".join(job.overrides), folder_of(job.cfg, job.choices)) for job in jobs if len(jobs) == num_jobs]
    try:
        write_text(path, json.dumps(header) + "\n" + "".join(record_line(*one) for one in planned))
    except OSError:  # a sweep whose runs lie elsewhere goes without
        return None
    return path


def _run_jobs(arguments: list[str], conf: Path, sweep: Sweep, *, is_sweep: bool) -> int:
    program, parent, flags = program_name(), os.getpid(), _flags_of(arguments)

    @hydra.main(version_base="1.3", config_path=str(conf), config_name="train")
    def job(cfg: DictConfig) -> float | None:
        # The command that goes on with this run: `fresh` would start it over once more.
        overrides = HydraConfig.get().overrides.task
        kept = [override for override in overrides if override.partition("=")[0].strip("+") != "fresh"]
        with lasting_output():  # a launcher's process is another
            exit_code, score = run_job(cfg, sweep, shlex.join([*program, *flags, *kept]))
        if exit_code == ExitCode.INTERRUPTED and os.getpid() == parent:
            raise KeyboardInterrupt  # the rest of a sweep is not started
        return score

    failure = ExitCode.DONE
    try:
        job()
    except KeyboardInterrupt:
        if is_sweep:
            again = shlex.join([*program, *(one for one in arguments if not one.startswith("fresh="))])
            print(closing_table(sweep.ledger.entries()), end="")
            print(f"The rest of the sweep was not started; go on with: {again}")
        return ExitCode.INTERRUPTED
    except SystemExit as ending:  # Hydra's own, after its error, such as a launcher's
        failure = ExitCode.FAILED if ending.code else ExitCode.DONE
    entries = sweep.ledger.entries()
    if is_sweep and not entries and failure == ExitCode.DONE:
        print("error: the sweep stands for no job at all; give each swept key a value.", file=sys.stderr)
        return ExitCode.BAD_INPUT
    if len(entries) > 1:
        print(closing_table(entries), end="")
    return max([failure, *(entry.exit_code for entry in entries)])


def run_job(cfg: DictConfig, sweep: Sweep, command: str) -> tuple[int, float | None]:
    """Run one job, in whatever process; return its exit code and the mean return of its final evaluation."""
    from triptych.command.check import check_job
    from triptych.run.job import print_error, run
    from triptych.run.naming import folder_of, identity_of
    from triptych.run.quiet import quiet_lightning

    quiet_lightning()
    ledger, hydra_cfg = sweep.ledger, HydraConfig.get()
    choices = dict(hydra_cfg.runtime.choices)
    try:
        check_job(cfg)  # where only Hydra's sweeper knew the values
    except ConfigurationError as error:
        print_error(str(error))
        ledger.end(command, command, ExitCode.BAD_INPUT, str(error))
        return ExitCode.BAD_INPUT, None
    folder = folder_of(cfg, choices)
    budget = cfg.total_frames, cfg.get("total_minutes"), cfg.trainer.get("max_time")
    name = " ".join(map(str, (folder.resolve(), identity_of(cfg), *budget)))
    if ledger.begin(name, command, folder):
        sentences: list[str] = []
        num_runs = num_side_by_side(choices.get("hydra/launcher"), hydra_cfg.launcher.get("n_jobs"), sweep.num_jobs)
        try:
            exit_code = run(cfg, choices, command, say_error=sentences.append, num_runs=num_runs)
        except Exception as error:  # one job's fault is not the others'
            exit_code = ExitCode.FAILED
            sentences.append(f"{command}: {type(error).__name__}: {error}")
        for sentence in sentences:
            print_error(sentence)
        ledger.end(name, command, exit_code, " ".join(sentences) or None)
        return exit_code, _score(folder) if exit_code == ExitCode.DONE else None
    if choices.get("hydra/sweeper") != "basic":  # one that searches may ask for the same values again
        return ExitCode.DONE, _score(folder)
    sentence = (
        f"{command}: a job before it ran in {folder}, and what tells them apart is no part of a run's identity; give "
        "each a run_dir of its own."
    )
    print_error(sentence)
    ledger.end(f"{command} (again)", f"{command} (again)", ExitCode.BAD_INPUT, sentence)
    return ExitCode.BAD_INPUT, None


def program_name() -> list[str]:
    """Return how this command was called, for those that it tells to type next."""
    return ["triptych"] if Path(sys.argv[0]).name == "triptych" else ["python", "train.py"]


def _flags_of(arguments: list[str]) -> list[str]:
    """Return the flags and search path by which the same options are found again."""
    line = split(arguments)
    flags = [f"--config-dir={line.config_dir}"] if line.config_dir is not None else []
    flags += [f"--config-name={line.config_name}"] if line.config_name != "train" else []
    return flags + [override for override in line.overrides if override.startswith("hydra.searchpath=")]


def _score(folder: Path) -> float | None:
    """Return what a sweeper that searches maximises or minimises; ``None`` where there is no final evaluation."""
    try:
        score = read_json(folder / "summary.json").get("eval_return_mean")
    except (OSError, ValueError):
        return None
    return score if isinstance(score, float) else None
