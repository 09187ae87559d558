"""The sources of chance in a run, each with a seed of its own."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Chance = Literal["weights", "exploration", "learning", "minibatches", "evaluation"]


def chance_seed(seed: int, chance: Chance, rank: int = 0) -> int:
    """Derive the seed of one source of chance from the run's.

    They are children of one `numpy.random.SeedSequence`: no two sources share their numbers, within a run or between
    runs of neighbouring seeds, and a further source changes none of the others. Episodes have seeds of their own, see
    `collect.collector.episode_seed`.

    Args:
        seed: of the run.
        chance: ``weights`` (initial), ``exploration`` (actions in training), ``learning`` (noise in updates, such as
            augmentation), ``minibatches`` (what is drawn, in which order), ``evaluation`` (actions in evaluations).
        rank: of the process, among those of the run; the children of the first's.

    Returns:
        32 bits.
    """
    child = np.random.SeedSequence(seed, spawn_key=(get_args(Chance).index(chance), *([rank] if rank else [])))
    return int(child.generate_state(1)[0])
