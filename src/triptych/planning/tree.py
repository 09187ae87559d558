"""The search tree: one array per quantity, the trees of all roots beside each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ROOT = 0  # a root's index among its nodes
NO_PARENT = -1
UNVISITED = -1  # in children_index: no node yet

Embedding = Any  # a tensor [B, ...] or a tuple of them


class TreeArrays(NamedTuple):
    """B trees of at most M nodes with A actions each; node 0 is the root, node i was added by simulation i.

    The caller sees tensors, the compiled kernels arrays of the same memory. With ``max_depth`` a simulation may
    evaluate a leaf once more instead of adding a node; the fields of a node that was never added are 0, its indices -1.
    """

    node_visits: Int[Tensor, "B M"]  # N(s), the node's own evaluation included
    node_values: Float[Tensor, "B M"]  # mean of the returns that simulations through the node brought back
    raw_values: Float[Tensor, "B M"]  # what the model said of the node
    parents: Int[Tensor, "B M"]  # NO_PARENT for the root
    action_from_parent: Int[Tensor, "B M"]  # NO_PARENT for the root
    children_index: Int[Tensor, "B M A"]  # the child's node, or UNVISITED
    children_visits: Int[Tensor, "B M A"]  # N(s, a)
    children_q_values: Float[Tensor, "B M A"]  # Q(s, a) = reward + discount * value of the child; 0 where unvisited
    children_rewards: Float[Tensor, "B M A"]
    children_discounts: Float[Tensor, "B M A"]
    children_prior_logits: Float[Tensor, "B M A"]  # at the root with its noise and its invalid actions masked
    children_prior_probs: Float[Tensor, "B M A"]  # their softmax, P(s, a)
    root_invalid_actions: Bool[Tensor, "B A"]


class SearchSummary(NamedTuple):
    """What the search found out about the roots."""

    visit_counts: Int[Tensor, "B A"]
    visit_probs: Float[Tensor, "B A"]  # the counts over their sum; the prior that the search used where that is 0
    q_values: Float[Tensor, "B A"]  # 0 where unvisited
    value: Float[Tensor, " B"]


class SearchTree(TreeArrays):
    """The tensors of ``TreeArrays``, and ``embeddings`` beside them: ``[B, M, ...]``, or a tuple of such tensors."""

    embeddings: Embedding

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

    def array(*shape: int, fill: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.full((batch_size, num_nodes, *shape), fill, dtype=dtype, device=prior_logits.device)

    tree = SearchTree(
        node_visits=array(dtype=torch.int32),
        node_values=array(),
        raw_values=array(),
        parents=array(fill=NO_PARENT, dtype=torch.int32),
        action_from_parent=array(fill=NO_PARENT, dtype=torch.int32),
        children_index=array(num_actions, fill=UNVISITED, dtype=torch.int32),
        children_visits=array(num_actions, dtype=torch.int32),
        children_q_values=array(num_actions),
        children_rewards=array(num_actions),
        children_discounts=array(num_actions),
        children_prior_logits=array(num_actions),
        children_prior_probs=array(num_actions),
        root_invalid_actions=invalid_actions,
    )
    tree.node_visits[:, ROOT] = 1
    tree.node_values[:, ROOT] = value
    tree.raw_values[:, ROOT] = value
    tree.children_prior_logits[:, ROOT] = prior_logits
    tree.children_prior_probs[:, ROOT] = prior_logits.softmax(dim=-1)

    def rooted(tensor: Tensor) -> Tensor:
        nodes = tensor.new_zeros(batch_size, num_nodes, *tensor.shape[1:])
        nodes[:, ROOT] = tensor
        return nodes

    tree.embeddings = tuple(map(rooted, embedding)) if isinstance(embedding, tuple) else rooted(embedding)
    return tree
