"""The front door.

python train.py algo=dqn env=pong                             one run
python train.py -m algo=dqn,double_dqn env=pong seed=1,2,3    a sweep
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

# Before torch starts its threads. A learner thread that waits yields its core to the emulators in the end; one that
# yields at once waits long to get it back where other processes want it too.
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from triptych.command.compose import compose_jobs, for_sweeper, register_options
from triptych.command.help import help_text
from triptych.command.names import canonical
from triptych.command.search_path import own_folders, split
from triptych.types.errors import ConfigurationError, ExitCode

CONF = Path(__file__).resolve().parent / "conf"
# Flags that Hydra answers without running anything.
QUESTIONS = {"--cfg", "-c", "--info", "-i", "--hydra-help", "--version", "--shell-completion", "-sc"}


def main(arguments: list[str]) -> int:
    """Check the command line, run its jobs, return the worst exit code."""
    if {"--help", "-h"} & set(arguments):
        print(help_text(CONF), end="")
        return ExitCode.DONE
    try:
        folders = own_folders(split(arguments), CONF)
        arguments = canonical(arguments, CONF, *folders)
        sys.argv[1:] = arguments  # which Hydra reads
        register_options(CONF, *folders)
        if QUESTIONS & {argument.partition("=")[0] for argument in arguments}:
            return run_jobs(arguments)
        configs = compose_jobs(arguments, CONF)  # names first: torch is slow to import
        from triptych.command.check import check_job

        for cfg in configs:
            check_job(cfg)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    sys.argv[1:] = for_sweeper(arguments)
    return run_jobs(arguments)


def run_jobs(arguments: list[str]) -> int:
    """Run every job that Hydra makes of the command line, print a table of several, return the worst exit code."""
    exit_codes: dict[str, int] = {}
    budgets: dict[tuple[Path, str], int] = {}  # of the jobs that ran, by their folder and identity

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
    def job(cfg: DictConfig) -> None:
        from triptych.command.check import check_job
        from triptych.run.job import folder_of, identity_of, quiet_lightning, run

        quiet_lightning()
        hydra_cfg = HydraConfig.get()
        # The command that goes on with this run: `fresh` would start it over once more.
        kept = [override for override in hydra_cfg.overrides.task if override.partition("=")[0].strip("+") != "fresh"]
        command = shlex.join(["python", "train.py", *kept])
        choices = dict(hydra_cfg.runtime.choices)
        try:
            check_job(cfg)  # where only Hydra's sweeper knew the values
        except ConfigurationError as error:
            print(f"error: {error}", file=sys.stderr)
            exit_codes[command] = ExitCode.BAD_INPUT
            return
        folder, identity = folder_of(cfg, choices), identity_of(cfg)
        if budgets.get((folder, identity)) == cfg.total_frames:
            print(
                f"error: {command}: a job before it ran in {folder}, and what tells them apart is no part of a run's "
                "identity; give each a run_dir of its own.",
                file=sys.stderr,
            )
            exit_codes[f"{command} (again)"] = ExitCode.BAD_INPUT
            return
        budgets[folder, identity] = cfg.total_frames
        exit_codes[command] = run(cfg, choices, command)
        if exit_codes[command] == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt  # the rest of a sweep is not started

    try:
        job()
    except KeyboardInterrupt:
        if {"-m", "--multirun"} & set(arguments):
            sweep = shlex.join(["python", "train.py", *(one for one in arguments if not one.startswith("fresh="))])
            print(f"The rest of the sweep was not started; go on with: {sweep}")
        return ExitCode.INTERRUPTED
    if len(exit_codes) > 1:
        lines = (f"{f'exit {code}' if code else 'ok':>8}  {name}" for name, code in exit_codes.items())
        print("\n".join(lines))
    return max(exit_codes.values(), default=ExitCode.DONE)


if __name__ == "__main__":
    try:
        exit_code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before anything ran
        print("Interrupted before the start.", file=sys.stderr)
        exit_code = ExitCode.INTERRUPTED
    sys.exit(exit_code)
