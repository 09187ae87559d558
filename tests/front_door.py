"""The command line: what it prints, returns and leaves in a run's folder.

Three ways, the cheapest first: `train` runs it in this process. `Fork` and `fork` run it in a process of its own whose
imports are made already, for signals, kills and lost processes. `start` runs ``python train.py``, which takes 4 s more,
for limits of a process, for what happens before and while modules are imported, and for joblib's launcher, which waits
for ever in a `Fork`.
"""

from __future__ import annotations

import atexit
import contextlib
import csv
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import train as front_door
from triptych.command.main import console

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = dict(os.environ)  # of the process that forks: what it imports sees nothing of a test's variables
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["triptych.command.main", "triptych.build", "triptych.run.job"])


class Result(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def call(main, name, *arguments, cwd=None, env=None) -> Result:
    """Run the ``main`` of a script, ``python name arguments``."""
    arguments = [str(argument) for argument in arguments]
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(stdout))
        stack.enter_context(contextlib.redirect_stderr(stderr))
        stack.enter_context(contextlib.chdir(cwd or os.getcwd()))
        stack.enter_context(mock.patch.object(sys, "argv", [name, *arguments]))
        if env is not None:
            stack.enter_context(mock.patch.dict(os.environ, env, clear=True))
        try:
            code = main(arguments)
        except SystemExit as ending:  # Hydra's own, after its help or its error, and argparse's
            code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    return Result(int(code), stdout.getvalue(), stderr.getvalue())


def train(*arguments, cwd=None, env=None) -> Result:
    """Run ``python train.py`` with these arguments."""
    return call(front_door.main, "train.py", *arguments, cwd=cwd, env=env)


def command(*arguments):
    return [sys.executable, str(ROOT / "train.py"), *arguments]


def start(*arguments, timeout=300, **kwargs):
    """Run ``python train.py`` in a process of its own."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=timeout, **kwargs)


class Fork:
    """A process of its own that runs ``train.py``, with the methods of `subprocess.Popen` that tests use.

    Args:
        arguments: of the command line.
        cwd: the folder it runs in; this one's by default.
    """

    def __init__(self, *arguments, cwd=None) -> None:
        self._output = tempfile.TemporaryDirectory()
        given = [str(argument) for argument in arguments], str(cwd or os.getcwd()), dict(os.environ)
        self._process = FORKING.Process(target=_be_train, args=(*given, self._output.name))
        with mock.patch.dict(os.environ, ENVIRONMENT, clear=True):
            self._process.start()
        self.pid = self._process.pid
        atexit.register(self.kill)  # of a test that failed; else it would be waited for

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout=300) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"train.py has run for {timeout} s")
        return self._process.exitcode

    def send_signal(self, number) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=300) -> tuple[str, str]:
        """Wait for its end, and return what it wrote to standard output and standard error."""
        self.wait(timeout)
        stdout, stderr = (Path(self._output.name, name).read_text() for name in ("stdout", "stderr"))
        return stdout, stderr


def _be_train(arguments, cwd, environment, output):
    atexit._clear()  # what is to be done at the end of the process that forks
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(output, name), os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["train.py", *arguments]
    code = console()
    atexit._run_exitfuncs()
    sys.exit(code)


def fork(*arguments, timeout=300, **kwargs) -> Result:
    """Run ``train.py`` in a `Fork`."""
    process = Fork(*arguments, **kwargs)
    stdout, stderr = process.communicate(timeout)
    return Result(process.returncode, stdout, stderr)


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def rows(folder, name="metrics.csv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def frames_of(folder, name="metrics.csv"):
    return [int(row["frames"]) for row in rows(folder, name)]
