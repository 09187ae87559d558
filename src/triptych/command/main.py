"""The front door: ``triptych ...``, and ``python train.py ...`` beside it.

triptych algo=dqn env=pong                             one run
triptych -m algo=dqn,double_dqn env=pong seed=1,2,3    a sweep
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Before torch starts its threads. A learner thread that waits yields its core to the emulators in the end; one that
# yields at once waits long to get it back where other processes want it too.
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

from triptych.command.compose import Job, compose_jobs, for_sweeper, register_options
from triptych.command.help import help_text, opening
from triptych.command.jobs import SWEEPS, run_jobs
from triptych.command.names import canonical
from triptych.command.output import lasting_output
from triptych.command.search_path import flags_first, own_folders, split
from triptych.command.sweeps import for_each_job
from triptych.types.errors import ConfigurationError, ExitCode

CONF = Path(__file__).resolve().parents[3] / "conf"  # beside src/, in a checkout that is installed by pip install -e
# Flags that Hydra answers without running anything.
CONFIGURATION = {"--cfg", "-c", "--info", "-i"}  # about what is composed
QUESTIONS = CONFIGURATION | {"--hydra-help", "--version", "--shell-completion", "-sc"}


def main(arguments: list[str]) -> int:
    """Check the command line, run its jobs, return the worst exit code."""
    if {"--help", "-h"} & set(arguments):
        print(help_text(CONF), end="")
        return ExitCode.DONE
    try:
        os.getcwd()
    except FileNotFoundError:
        print("error: the folder in which this was started is gone; change to one that is there.", file=sys.stderr)
        return ExitCode.BAD_INPUT
    try:
        arguments = in_own_names(flags_first(arguments))
        sys.argv[1:] = arguments  # which Hydra reads
        flags = {argument.partition("=")[0] for argument in arguments}
        if flags & QUESTIONS:
            if flags & CONFIGURATION:
                compose_jobs(arguments, CONF)
            return run_jobs(arguments, CONF)
        jobs = check(arguments)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    sys.argv[1:] = for_sweeper(arguments)
    return run_jobs(arguments, CONF, jobs)


def in_own_names(arguments: list[str]) -> list[str]:
    """Write a command line in this project's own names, and offer the options that need no file.

    Raises:
        ConfigurationError: a folder of configuration is none.
    """
    if not (CONF / "train.yaml").is_file():
        raise ConfigurationError(
            f"{CONF} holds no configuration: the package is installed without its checkout; clone it and "
            "pip install -c requirements.lock -e ."
        )
    folders = own_folders(split(arguments), CONF)
    register_options(CONF, *folders)
    return canonical(arguments, CONF, *folders)


def check(arguments: list[str], *, with_environments: bool = True) -> list[Job]:
    """Check every job of a command line in this project's own names, and make the environments of a sweep once.

    Returns the jobs that were composed, of a large sweep some.

    Raises:
        ConfigurationError: one sentence about the first thing that is wrong.
    """
    jobs = compose_jobs(arguments, CONF)  # names first: torch is slow to import
    if "torch" not in sys.modules:
        print(opening(arguments, CONF), flush=True)
    from triptych.command.check import check_job
    from triptych.command.environments import check_environments

    for_each_job([job.overrides for job in jobs], lambda position: check_job(jobs[position].cfg))
    if len(jobs) > 1 and with_environments:
        check_environments(jobs)
    if {"-m", "--multirun"} & set(arguments):
        given = [word.partition("=")[2] for word in arguments if word.startswith("hydra.sweep.dir=")]
        folder = Path(given[-1]) if given else SWEEPS
        try:
            if "$" not in str(folder):
                folder.mkdir(parents=True, exist_ok=True)  # which Hydra would do, and tell less
        except OSError as error:
            way_out = "choose another hydra.sweep.dir" if given else "start it in a folder that can be written"
            raise ConfigurationError(f"the folder of a sweep, {error}; {way_out}.") from error
    return jobs


def console() -> int:
    """Serve ``triptych``, with the arguments of this process."""
    with lasting_output():
        try:
            return int(main(sys.argv[1:]))
        except KeyboardInterrupt:  # before anything ran
            print("Interrupted before the start.", file=sys.stderr)
            return ExitCode.INTERRUPTED
