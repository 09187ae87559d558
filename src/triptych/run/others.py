"""The further processes of a run: the first starts, watches and ends them, and they do as it does."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed as dist
from omegaconf import OmegaConf

from triptych import ranks
from triptych.build import build
from triptych.types import ExitCode, RunInterrupted

HOST = "127.0.0.1"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL_S = 0.1
END_S = 10.0  # until a process that has nothing left to do has ended
HANG_S = 30.0  # until a run must have noticed that one of its processes has died; on a GPU it may wait for ever
NOTICE_S = 5.0  # until a process has ended, where an error may come from that
BROKEN_S = 30.0  # the same, where the error says that a connection broke; on a busy machine processes end slowly


class Start(NamedTuple):
    """What the others need to know to take part in a run."""

    config: dict[str, Any]  # resolved
    run_dir: Path
    checkpoint: Path | None  # from which it goes on
    weights: Path | None  # of another run, from which it starts
    num_runs: int  # side by side on this machine


class ProcessLost(RuntimeError):
    """A process of a run has ended before it."""


class Others:
    """The further processes of a run; none, where it has one device.

    They are started here on one machine, and by torchrun, which has started this process too, on several.

    Args:
        num_processes: of the run, this one included.
        on_hang: called before this process ends itself, as it waits for one that has died.
    """

    def __init__(self, num_processes: int, on_hang: Callable[[str], None] = lambda line: None) -> None:
        self.num_processes, self.on_hang = num_processes, on_hang
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = Path()  # for what each says of its end
        self._lost: int | None = None  # the first that died
        self._is_told = num_processes == 1
        self._is_over = threading.Event()

    def __enter__(self) -> Others:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_told and ranks.of_torchrun():
            self.start(None)  # nothing is to be done, and they wait to hear it
        self.end(0.0)

    def start(self, start: Start | None) -> None:
        """Start them, and tell them what the run is; ``None`` ends them.

        Raises:
            ProcessLost: one has ended at once.
        """
        if self.num_processes == 1:
            return
        if ranks.of_torchrun():
            ranks.join(0, self.num_processes)
        else:
            self._launch()
        self._is_told = True
        ranks.from_first(lambda: start)

    def _launch(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="triptych-"))
        store = dist.TCPStore(HOST, 0, self.num_processes, is_master=True, wait_for_workers=False)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        for rank in range(1, self.num_processes):
            numbers = (str(number) for number in (os.getpid(), rank, self.num_processes, store.port))
            command, nothing = [sys.executable, "-m", "triptych.run.rank", *numbers], subprocess.DEVNULL
            with self._errors_of(rank).open("wb") as errors:
                process = subprocess.Popen(command, env=environment, stdin=nothing, stdout=nothing, stderr=errors)
            self._processes.append(process)
        threading.Thread(target=self._watch, daemon=True).start()
        while not store.check([ready(rank) for rank in range(1, self.num_processes)]):
            if self._lost is not None:
                raise self._failure()
            time.sleep(POLL_S)
        ranks.join(0, self.num_processes, store)

    def _watch(self) -> None:
        """Take note of the first that dies, and do not wait for it for ever."""
        died_at = 0.0
        while not self._is_over.wait(POLL_S):
            dead = [rank for rank, process in enumerate(self._processes, 1) if process.poll() not in (None, 0)]
            if dead and self._lost is None:
                self._lost, died_at = dead[0], time.monotonic()
            if self._lost is not None and time.monotonic() > died_at + HANG_S:
                self.on_hang(str(self._failure()))
                os._exit(ExitCode.FAILED)

    def _failure(self) -> ProcessLost:
        assert self._lost is not None
        said = self._errors_of(self._lost).read_text(errors="replace").strip().splitlines()
        why = said[-1] if said else f"exit code {self._processes[self._lost - 1].returncode}"
        why = why.removeprefix(f"[rank{self._lost}]: ")  # which torch puts before each line
        return ProcessLost(f"process {self._lost + 1} of {self.num_processes} has ended: {why}")

    def _errors_of(self, rank: int) -> Path:
        return self._folder / f"rank{rank}"

    def explain(self, error: Exception, note: Callable[[str], None]) -> Exception:
        """Return why a process was lost, where that is what an error comes from, and note all it said; or the error."""
        if not self._processes or not isinstance(error, RuntimeError):
            return error
        # The connection breaks before the process is gone.
        until = time.monotonic() + (BROKEN_S if "connection" in str(error).lower() else NOTICE_S)
        while self._lost is None and time.monotonic() < until:
            time.sleep(POLL_S)
        if self._lost is None:
            return error
        note(self._errors_of(self._lost).read_text(errors="replace"))
        return self._failure()

    def end(self, wait_s: float = END_S) -> None:
        """Go on in this process alone; those that do not end by themselves in this time are killed."""
        until = time.monotonic() + wait_s
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(until - time.monotonic(), 0.0))
            process.kill()
            process.wait()
        ranks.leave()
        self._is_over.set()
        if self._processes:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._processes = []


def ready(rank: int) -> str:
    """Name the key under which a process says that it is about to join."""
    return f"ready{rank}"


def take_part(rank: int, size: int, store: dist.Store | None = None) -> ExitCode:
    """Join the first process, hear what the run is, and take part in its training."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}  # to which the first reacts
    try:
        ranks.join(rank, size, store)
        return _take_part()
    finally:
        ranks.leave()
        for number, handler in before.items():
            signal.signal(number, handler)


def _take_part() -> ExitCode:
    start: Start | None = ranks.from_first(lambda: None)
    if start is None:
        return ExitCode.DONE
    cfg = OmegaConf.create(start.config)
    cfg.logger, cfg.callbacks.progress = {}, False  # the first tells
    experiment = build(cfg, start.run_dir, lambda line: None, weights=start.weights, num_runs=start.num_runs)
    try:
        with contextlib.suppress(RunInterrupted):
            experiment.trainer.fit(experiment.module, experiment.data, ckpt_path=start.checkpoint, weights_only=True)
    finally:
        experiment.data.teardown("fit")
    return ExitCode.DONE
