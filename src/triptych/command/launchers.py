"""How many jobs a sweep has, and how many of them Hydra's launchers run side by side on one machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import ValueType

from triptych.command.compose import hydra_ready
from triptych.command.params import with_params
from triptych.command.search_path import split
from triptych.command.sweeps import parse_with_options


def num_side_by_side(launcher: str | None, n_jobs: Any, num_jobs: int | None) -> int:
    """Count the jobs that share this machine, the one that asks included.

    Args:
        launcher: the option of ``hydra/launcher``.
        n_jobs: ``hydra.launcher.n_jobs`` of joblib, which counts negative ones down from all cores.
        num_jobs: of the sweep; ``None`` where nobody knows.
    """
    cores = len(os.sched_getaffinity(0))
    if launcher == "joblib":
        wanted = n_jobs if isinstance(n_jobs, int) and n_jobs else cores
        at_once = wanted if wanted > 0 else cores + 1 + wanted
        return max(min(at_once, num_jobs or at_once), 1)
    if launcher == "submitit_local":  # which starts them all
        return num_jobs or 1
    return 1  # one after the other, or each with what a cluster gives it


def count_jobs(arguments: Sequence[str], conf: Path) -> int | None:
    """Count the jobs of a checked command line; ``None`` where only a sweeper that searches knows their number."""
    line = split(arguments)
    if not line.is_sweep:
        return 1
    with hydra_ready(conf, line.config_dir):
        parsed = parse_with_options(with_params(line.overrides, line.config_name))
        if any(one.key_or_group == "hydra/sweeper" or one.value_type == ValueType.INTERVAL_SWEEP for one in parsed):
            return None
        last = {one.key_or_group: one for one in parsed}  # of a key that is given twice
        return math.prod(len(list(one.sweep_iterator())) for one in last.values() if one.is_sweep_override())
