"""What the machine is good at."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import psutil
import torch

from triptych.types import ConfigurationError

MIN_BF16_IMAGE = 4096  # numbers; below, casting costs more than the multiplications save


def choose_accelerator(setting: str) -> str:
    """Return ``cuda`` or ``cpu`` for ``auto``, anything else as it is."""
    if setting in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ConfigurationError(
            f"trainer.accelerator={setting}: no such device was found; use trainer.accelerator=cpu."
        )
    if setting != "auto":
        return setting
    return "cuda" if torch.cuda.is_available() else "cpu"


def cpu_has_bf16() -> bool:
    """Say whether the processor multiplies bfloat16 in hardware (AMX or AVX512-bf16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def choose_precision(setting: str, accelerator: str, image_size: int) -> str:
    """Return ``bf16-mixed`` for ``auto`` where it pays: large images on hardware that multiplies bfloat16.

    Args:
        image_size: numbers in an observation that is an image; 0 for vectors.
    """
    if setting != "auto":
        return setting
    is_fast = torch.cuda.is_bf16_supported() if accelerator in ("cuda", "gpu") else cpu_has_bf16()
    return "bf16-mixed" if image_size >= MIN_BF16_IMAGE and is_fast else "32-true"


def choose_num_threads(setting: int | str) -> int:
    """Return the cores that this process may use for ``auto``."""
    return len(os.sched_getaffinity(0)) if setting == "auto" else int(setting)


def processor_name() -> str:
    """Return the processor's name as the operating system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def storage_bytes(storage: str, directory: Path) -> tuple[int, str]:
    """Return the bytes that a replay may take in ``memory``, on ``disk`` or on the ``device``, and its name."""
    if storage == "device" and torch.cuda.is_available():
        return int(0.9 * torch.cuda.mem_get_info()[0]), "device memory"
    if storage == "disk":
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        # What this very replay took before it was stopped is its own.
        taken = sum(path.stat().st_blocks * 512 for path in directory.glob("*")) if directory.exists() else 0
        return int(0.95 * (shutil.disk_usage(existing).free + taken)), "disk"
    return int(0.95 * psutil.virtual_memory().available), "memory"
