"""The jobs of a checked command line, run by Hydra: in this process, or wherever a launcher takes them."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from triptych.command.ledger import Ledger
from triptych.command.output import lasting_output
from triptych.command.search_path import split
from triptych.files import read_json
from triptych.types.errors import ConfigurationError, ExitCode

SWEEPS = Path("outputs", ".sweeps")  # hydra.sweep.dir of conf/train.yaml


def run_jobs(arguments: list[str], conf: Path) -> int:
    """Run every job that Hydra makes of the command line, print a table of several, return the worst exit code."""
    line = split(arguments)
    place = None
    if any(override.startswith("hydra/launcher=") for override in line.overrides):
        SWEEPS.mkdir(parents=True, exist_ok=True)  # which other machines see as they see the runs' folders
        place = SWEEPS.resolve()
    with tempfile.TemporaryDirectory(prefix=".jobs-", dir=place) as folder:
        return _run_jobs(arguments, conf, Ledger(Path(folder)), line.is_sweep)


def _run_jobs(arguments: list[str], conf: Path, ledger: Ledger, is_sweep: bool) -> int:
    program, parent, flags = program_name(), os.getpid(), _flags_of(arguments)

    @hydra.main(version_base="1.3", config_path=str(conf), config_name="train")
    def job(cfg: DictConfig) -> float | None:
        # The command that goes on with this run: `fresh` would start it over once more.
        overrides = HydraConfig.get().overrides.task
        kept = [override for override in overrides if override.partition("=")[0].strip("+") != "fresh"]
        with lasting_output():  # a launcher's process is another
            exit_code, score = run_job(cfg, ledger, shlex.join([*program, *flags, *kept]))
        if exit_code == ExitCode.INTERRUPTED and os.getpid() == parent:
            raise KeyboardInterrupt  # the rest of a sweep is not started
        return score

    failure = ExitCode.DONE
    try:
        job()
    except KeyboardInterrupt:
        if is_sweep:
            sweep = shlex.join([*program, *(one for one in arguments if not one.startswith("fresh="))])
            print(f"The rest of the sweep was not started; go on with: {sweep}")
        return ExitCode.INTERRUPTED
    except SystemExit as ending:  # Hydra's own, after its error, such as a launcher's
        failure = ExitCode.FAILED if ending.code else ExitCode.DONE
    exit_codes = ledger.exit_codes()
    if len(exit_codes) > 1:
        lines = (f"{f'exit {code}' if code else 'ok':>8}  {name}" for name, code in exit_codes.items())
        print("\n".join(lines))
    return max([failure, *exit_codes.values()])


def run_job(cfg: DictConfig, ledger: Ledger, command: str) -> tuple[int, float | None]:
    """Run one job, in whatever process; return its exit code and the mean return of its final evaluation."""
    from triptych.command.check import check_job
    from triptych.run.job import folder_of, identity_of, quiet_lightning, run

    quiet_lightning()
    hydra_cfg = HydraConfig.get()
    choices = dict(hydra_cfg.runtime.choices)
    try:
        check_job(cfg)  # where only Hydra's sweeper knew the values
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        ledger.end(command, command, ExitCode.BAD_INPUT)
        return ExitCode.BAD_INPUT, None
    folder = folder_of(cfg, choices)
    name = f"{folder.resolve()} {identity_of(cfg)} {cfg.total_frames}"
    if ledger.begin(name, command):
        exit_code = run(cfg, choices, command)
        ledger.end(name, command, exit_code)
        return exit_code, _score(folder) if exit_code == ExitCode.DONE else None
    if choices.get("hydra/sweeper") != "basic":  # one that searches may ask for the same values again
        return ExitCode.DONE, _score(folder)
    print(
        f"error: {command}: a job before it ran in {folder}, and what tells them apart is no part of a run's "
        "identity; give each a run_dir of its own.",
        file=sys.stderr,
    )
    ledger.end(f"{command} (again)", f"{command} (again)", ExitCode.BAD_INPUT)
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
