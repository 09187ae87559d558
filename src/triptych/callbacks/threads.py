"""How many threads learn: all cores while they are free, one while other processes want them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil
import pytorch_lightning as pl
import torch

PERIOD_S = 3.0  # between two looks
BUSY_CORES = 0.3  # of other processes, beyond what is theirs of these cores; two runs that share two see one each


class CpuSeconds(NamedTuple):
    """Time that processors have worked so far."""

    total: float  # all processes, on the cores that this one may use; time taken by a host's other guests counts
    own: float  # this process and its children


def read_cpu_seconds() -> CpuSeconds:
    """Read what the operating system has counted."""
    per_core = psutil.cpu_times(percpu=True)
    mine = [per_core[core] for core in os.sched_getaffinity(0) if core < len(per_core)]
    total = sum(sum(core) - core.idle - getattr(core, "iowait", 0.0) - getattr(core, "guest", 0.0) for core in mine)
    own = 0.0
    process = psutil.Process()
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
            own += times.user + times.system
        except psutil.Error:  # it has just ended
            continue
    return CpuSeconds(total, own)


class Threads(pl.Callback):
    """Sets the threads of tensor operations between two turns, by what other processes use of the cores.

    Operations on several threads wait for the slowest of them at each of some hundred barriers in an update; where a
    core is shared, a thread may be away from it for milliseconds each time, so two runs on two threads each are ten
    times slower than on one thread each. The numbers that are learned differ in their last digits with the number of
    threads, so a run that is to be repeated to the last digit states ``trainer.num_threads``.

    Evaluations, which show a network few observations at a time, go by one thread.

    Args:
        most: threads while the cores are free.
        is_fixed: whether ``most`` was asked for by its number; then nothing is changed.
        others_cores: the part of the cores that other runs of a sweep may keep busy.
        write_line: where a line about the first change goes.
        read: returns the `CpuSeconds` so far.
        clock: returns the seconds so far.
    """

    def __init__(
        self,
        most: int,
        is_fixed: bool,
        write_line: Callable[[str], None] = print,
        read: Callable[[], CpuSeconds] = read_cpu_seconds,
        clock: Callable[[], float] = time.monotonic,
        others_cores: int = 0,
    ) -> None:
        self.others_cores = others_cores
        self.most, self.is_fixed, self.write_line = most, is_fixed or most == 1, write_line
        self.read, self.clock = read, clock
        self._is_told = False
        self._learning = most  # threads that an evaluation has interrupted

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self.is_fixed:
            self._learning = torch.get_num_threads()
            torch.set_num_threads(1)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self.is_fixed:
            torch.set_num_threads(self._learning)

    def on_test_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.on_validation_start(trainer, module)

    def on_test_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.on_validation_end(trainer, module)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._latest, self._looked_at = self.read(), self.clock()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = self.clock()
        if self.is_fixed or now < self._looked_at + PERIOD_S:
            return
        latest = self.read()
        others = (latest.total - self._latest.total - latest.own + self._latest.own) / (now - self._looked_at)
        self._latest, self._looked_at = latest, now
        num_threads = 1 if others > self.others_cores + BUSY_CORES else self.most
        if num_threads == torch.get_num_threads():
            return
        torch.set_num_threads(num_threads)
        if not self._is_told:
            self._is_told = True
            self.write_line(
                f"Other processes keep {others:.1f} cores busy: learning goes on with one thread while they do "
                "(trainer.num_threads=... holds a number)."
            )
