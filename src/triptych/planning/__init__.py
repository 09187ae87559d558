"""Lookahead over any model: MuZero's and Gumbel MuZero's batched tree search.

The caller brings a ``RootOutput`` and a ``recurrent_fn``; a policy searches and answers with a ``PolicyOutput``. The
search knows no network, no loss, no game and no replay.
"""

from triptych.planning.policies import PolicyOutput, RootOutput, gumbel_muzero_policy, muzero_policy
from triptych.planning.qtransforms import (
    qtransform_by_min_max,
    qtransform_by_parent_and_siblings,
    qtransform_completed_by_mix_value,
)
from triptych.planning.search import RecurrentOutput

__all__ = [
    "PolicyOutput",
    "RecurrentOutput",
    "RootOutput",
    "gumbel_muzero_policy",
    "muzero_policy",
    "qtransform_by_min_max",
    "qtransform_by_parent_and_siblings",
    "qtransform_completed_by_mix_value",
]
