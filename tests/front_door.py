"""The command line in this process: what it prints, returns and leaves in a run's folder, without a start of 5 s each.

Signals, kills, limits of a process and what happens before the first import need `start`, a process of its own.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import train as front_door

ROOT = Path(__file__).resolve().parents[1]


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


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def rows(folder, name="metrics.csv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def frames_of(folder, name="metrics.csv"):
    return [int(row["frames"]) for row in rows(folder, name)]
