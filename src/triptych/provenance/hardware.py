"""The machine of a run: its device, precision, threads, and the room it has."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import psutil
import torch

from triptych import ranks
from triptych.types import ConfigurationError, EnvSpec
from triptych.types.bounds import Between

LARGE_IMAGE = 4096  # numbers of an observation; below, casts and threads cost more than they save


class Hardware(NamedTuple):
    """What a run uses of its machine; ``auto`` chooses by the machine and by the size of the observations."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    devices: Annotated[int, Between(1, 1024)]  # each with a process of its own
    precision: Literal["auto", "32-true", "bf16-mixed"]
    num_threads: Literal["auto"] | Annotated[int, Between(1, 1024)]  # of the learner's tensor operations
    max_time: str | None = None  # days:hours:minutes:seconds, as the run's total_minutes
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    deterministic: bool = False  # refuse operations that are not, on a GPU
    detect_anomaly: bool = False  # name the operation whose gradient is not a number; slow
    # Of products of single-precision numbers, as torch.set_float32_matmul_precision takes it.
    float32_matmul_precision: Literal["highest", "high", "medium"] = "highest"

    def chosen_for(self, spec: EnvSpec, num_runs: int = 1) -> Hardware:
        """Replace ``auto``.

        bfloat16 where it pays, large images on hardware that multiplies it; all cores for large images, one thread for
        everything else, whose operations are shorter than handing them out takes. Of ``num_runs`` side by side on this
        machine each has its share of the cores.

        Raises:
            ConfigurationError: there is no such device.
        """
        has_cuda = torch.cuda.is_available()
        if self.accelerator in ("gpu", "cuda") and not has_cuda:
            raise ConfigurationError(
                f"trainer.accelerator={self.accelerator}: no such device was found; use trainer.accelerator=cpu."
            )
        if self.accelerator == "mps" and not torch.backends.mps.is_available():
            raise ConfigurationError("trainer.accelerator=mps: no such device was found; use trainer.accelerator=cpu.")
        if self.devices > 1 and self.accelerator == "mps":
            raise ConfigurationError(f"trainer.devices={self.devices}: there is one mps device; use trainer.devices=1.")
        accelerator = ("cuda" if has_cuda else "cpu") if self.accelerator == "auto" else self.accelerator
        is_large = spec.shows_pictures and spec.seen.observation_size >= LARGE_IMAGE
        has_bf16 = torch.cuda.is_bf16_supported() if accelerator in ("gpu", "cuda") else cpu_has_bf16()
        has_bf16 = has_bf16 and accelerator != "mps"
        precision = "bf16-mixed" if is_large and has_bf16 else "32-true"
        num_threads = max(len(os.sched_getaffinity(0)) // (num_runs * self.devices), 1) if is_large else 1
        found = torch.cuda.device_count()
        if accelerator in ("gpu", "cuda") and self.devices > max(found, 1) and not ranks.of_torchrun():
            raise ConfigurationError(
                f"trainer.devices={self.devices}: this machine has {found} GPUs; use as many, or start torchrun on "
                "several machines."
            )
        return self._replace(
            accelerator=accelerator,  # type: ignore[arg-type]
            precision=precision if self.precision == "auto" else self.precision,  # type: ignore[arg-type]
            num_threads=num_threads if self.num_threads == "auto" else self.num_threads,
        )

    def describe(self) -> dict[str, Any]:
        """Return what a result says of its machine."""
        is_cuda = self.accelerator in ("gpu", "cuda")
        matmul_precision = self.float32_matmul_precision
        return {
            "accelerator": self.accelerator,
            "device": torch.cuda.get_device_name() if is_cuda else processor_name(),
            "precision": self.precision,
            "threads": self.num_threads,
            **({"processes": self.devices} if self.devices > 1 else {}),
            **({} if matmul_precision == "highest" else {"float32_matmul_precision": matmul_precision}),
        }


def time_limit(total_minutes: float | None, max_time: str | None) -> float | None:
    """Return the smaller of two limits in minutes, the second as Lightning writes it; ``None`` where there is none.

    >>> time_limit(90, "00:01:00:30")
    60.5

    Raises:
        ConfigurationError: ``max_time`` is no time.
    """
    if max_time is None:
        return total_minutes
    found = re.fullmatch(r"(\d{1,6}):(\d\d):(\d\d):(\d\d)", str(max_time))
    days, hours, minutes, seconds = map(int, found.groups()) if found else (0, 0, 0, 0)
    limit = (days * 24 + hours) * 60 + minutes + seconds / 60
    if not limit:
        raise ConfigurationError(
            f"trainer.max_time={max_time} is not allowed: it takes days:hours:minutes:seconds, as 00:12:00:00."
        )
    return limit if total_minutes is None else min(limit, total_minutes)


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AMX or AVX512-bf16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def processor_name() -> str:
    """Return the processor's name as the operating system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def available_bytes(directory: Path, num_runs: int = 1) -> dict[str, int]:
    """Return the bytes that the data of a run may take of ``memory``, ``disk`` and ``device``.

    A run beside others has its share of the whole memory, as they may have filled theirs already or not yet, and never
    more than is free; of a disk, which holds much else, its share of what is free.

    Args:
        directory: where the run keeps them on disk; what lies there already is its own.
        num_runs: side by side on this machine.
    """
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    taken = sum(path.stat().st_blocks * 512 for path in directory.rglob("*")) if directory.exists() else 0
    memory = int(0.95 * _share(psutil.virtual_memory().available, num_runs, lambda: psutil.virtual_memory().total))
    has_cuda = torch.cuda.is_available()
    device = (
        int(0.9 * _share(torch.cuda.mem_get_info()[0], num_runs, lambda: torch.cuda.mem_get_info()[1]))
        if has_cuda
        else 0
    )
    return {
        "memory": memory,
        "disk": int(0.95 * (shutil.disk_usage(existing).free / num_runs + taken)),
        "device": device if has_cuda else memory,
    }


def _share(free: float, num_runs: int, total: Callable[[], float]) -> float:
    return free if num_runs == 1 else min(free, total() / num_runs)
