"""How many jobs of a sweep Hydra's launchers run side by side on one machine."""

from __future__ import annotations

import os
from typing import Any


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
