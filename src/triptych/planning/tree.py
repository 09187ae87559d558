"""The search tree: a record for each node and each action of it, the trees of all roots beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ROOT = 0  # a root's index among its nodes
NO_PARENT = -1
UNVISITED = -1  # as a child's index: no node yet

# What the kernels read and write together lies together. All fields have four bytes, so that a tensor of int32
# holds the records and each field is a view of it. Fields that are not said to be aligned a GPU reads byte by byte.
NODE = np.dtype(
    [("visits", "i4"), ("parent", "i4"), ("action", "i4"), ("value", "f4"), ("raw_value", "f4")], align=True
)
CHILD = np.dtype(
    [
        ("index", "i4"),
        ("visits", "i4"),
        ("q_value", "f4"),
        ("reward", "f4"),
        ("discount", "f4"),
        ("prior_logit", "f4"),
        ("prior_prob", "f4"),
    ],
    align=True,
)

Embedding = Any  # a tensor [B, ...] or a tuple of them


class SearchSummary(NamedTuple):
    """What the search found out about the roots."""

    visit_counts: Int[Tensor, "B A"]
    visit_probs: Float[Tensor, "B A"]  # the counts over their sum; the prior that the search used where that is 0
    q_values: Float[Tensor, "B A"]  # 0 where unvisited
    value: Float[Tensor, " B"]


@dataclass(frozen=True)
class SearchTree:
    """B trees of at most M nodes with A actions each; node 0 is the root, node i was added by simulation i.

    With ``max_depth`` a simulation may evaluate a leaf once more instead of adding a node; the fields of a node that
    was never added are 0, its indices -1. All but the embeddings are views of ``node_records`` and ``child_records``.
    """

    node_visits: Int[Tensor, "B M"]  # N(s), the node's own evaluation included
    node_values: Float[Tensor, "B M"]  # mean of the returns that simulations through the node brought back
    raw_values: Float[Tensor, "B M"]  # what the model said of the node
    parents: Int[Tensor, "B M"]  # NO_PARENT for the root
    action_from_parent: Int[Tensor, "B M"]  # -1 for the root
    children_index: Int[Tensor, "B M A"]  # the child's node, or UNVISITED
    children_visits: Int[Tensor, "B M A"]  # N(s, a)
    children_q_values: Float[Tensor, "B M A"]  # Q(s, a) = reward + discount * value of the child; 0 where unvisited
    children_rewards: Float[Tensor, "B M A"]
    children_discounts: Float[Tensor, "B M A"]
    children_prior_logits: Float[Tensor, "B M A"]  # at the root with its noise and its invalid actions masked
    children_prior_probs: Float[Tensor, "B M A"]  # their softmax, P(s, a)
    root_invalid_actions: Bool[Tensor, "B A"]
    embeddings: Embedding  # [B, M, ...], or a tuple of such tensors
    node_records: Int[Tensor, "B M fields"]  # NODE
    child_records: Int[Tensor, "B M A fields"]  # CHILD

    def summary(self) -> SearchSummary:
        """Return the statistics of the roots."""
        visit_counts = self.children_visits[:, ROOT]
        total = visit_counts.sum(dim=-1, keepdim=True)
        visit_probs = torch.where(total > 0, visit_counts / total.clamp(min=1), self.children_prior_probs[:, ROOT])
        return SearchSummary(visit_counts, visit_probs, self.children_q_values[:, ROOT], self.node_values[:, ROOT])


def plant(
    prior_logits: Float[Tensor, "B A"],
    value: Float[Tensor, " B"],
    embedding: Embedding,
    invalid_actions: Bool[Tensor, "B A"],
    num_nodes: int,
) -> SearchTree:
    """Return trees with room for ``num_nodes`` that hold nothing but their roots."""
    batch_size, num_actions = prior_logits.shape
    device = prior_logits.device
    num_fields = {dtype: dtype.itemsize // 4 for dtype in (NODE, CHILD)}
    node_records = torch.zeros(batch_size, num_nodes, num_fields[NODE], dtype=torch.int32, device=device)
    child_records = torch.zeros(batch_size, num_nodes, num_actions, num_fields[CHILD], dtype=torch.int32, device=device)
    node, child = _fields(NODE, node_records), _fields(CHILD, child_records)

    node["parent"].fill_(NO_PARENT)
    node["action"].fill_(-1)
    child["index"].fill_(UNVISITED)
    node["visits"][:, ROOT] = 1
    node["value"][:, ROOT] = value
    node["raw_value"][:, ROOT] = value
    child["prior_logit"][:, ROOT] = prior_logits
    child["prior_prob"][:, ROOT] = prior_logits.softmax(dim=-1)

    def with_root(tensor: Tensor) -> Tensor:
        # Node by node in memory: all roots' new embeddings are written as one block.
        stored = tensor.new_zeros(num_nodes, *tensor.shape)
        stored[ROOT] = tensor
        return stored.transpose(0, 1)

    return SearchTree(
        node_visits=node["visits"],
        node_values=node["value"],
        raw_values=node["raw_value"],
        parents=node["parent"],
        action_from_parent=node["action"],
        children_index=child["index"],
        children_visits=child["visits"],
        children_q_values=child["q_value"],
        children_rewards=child["reward"],
        children_discounts=child["discount"],
        children_prior_logits=child["prior_logit"],
        children_prior_probs=child["prior_prob"],
        root_invalid_actions=invalid_actions,
        embeddings=tuple(map(with_root, embedding)) if isinstance(embedding, tuple) else with_root(embedding),
        node_records=node_records,
        child_records=child_records,
    )


def _fields(dtype: np.dtype, records: Tensor) -> dict[str, Tensor]:
    """Return a view of each field."""
    as_float = records.view(torch.float32)
    assert dtype.names is not None
    return {
        name: (as_float if dtype[name].kind == "f" else records)[..., position]
        for position, name in enumerate(dtype.names)
    }
