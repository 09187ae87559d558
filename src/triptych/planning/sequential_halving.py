"""Sequential Halving: which of the root's actions are in the running at each simulation."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor


def considered_visits(num_considered: int, num_simulations: int) -> list[int]:
    """Return, for each simulation, how many visits an action must have to be in the running.

    In each phase every remaining action gets the same number of visits; after it the better half remains, down to
    two (Karnin et al. 2013, algorithm 1; Danihelka et al. 2022, algorithm 2). The better half needs no list: a phase's
    first round visits it, best first, and later rounds ask for as many visits as only it has.
    """
    num_phases = max(1, math.ceil(math.log2(num_considered)))
    visits: list[int] = []
    num_remaining, visits_so_far = num_considered, 0
    while len(visits) < num_simulations:
        visits_each = max(1, num_simulations // (num_phases * num_remaining))
        for extra in range(visits_each):
            visits += [visits_so_far + extra] * num_remaining
        visits_so_far += visits_each
        num_remaining = max(min(2, num_considered), num_remaining // 2)
    return visits[:num_simulations]


@lru_cache(maxsize=64)
def considered_visits_table(max_num_considered: int, num_simulations: int) -> Int[Tensor, "rows simulations"]:
    """Return a row of ``considered_visits`` for each number of actions from 0 (all zeros) to the maximum."""
    rows = [considered_visits(m, num_simulations) for m in range(1, max_num_considered + 1)]
    return torch.tensor([[0] * num_simulations, *rows], dtype=torch.int32)
