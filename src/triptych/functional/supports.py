"""Scalars as distributions over fixed bins, squashed so that large ones fit (Schrittwieser et al. 2020, appendix F)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 0.001


def squash(x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Return h(x) = sign(x) (√(|x| + 1) - 1) + εx (Pohlen et al. 2018, proposition A.2)."""
    return x.sign() * ((x.abs() + 1).sqrt() - 1) + EPSILON * x


def unsquash(x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Return the x whose `squash` is given."""
    root = (1 + 4 * EPSILON * (x.abs() + 1 + EPSILON)).sqrt() - 1
    return x.sign() * ((root / (2 * EPSILON)).square() - 1)


def two_hot(x: Float[Tensor, "*B"], num_bins: int) -> Float[Tensor, "*B S"]:
    """Return the probabilities over ``num_bins`` whole numbers around 0 whose mean is ``squash(x)``.

    Only the two bins beside it are not 0. What lies beyond the outermost bins goes to them.
    """
    limit = num_bins // 2
    position = squash(x).clamp(-limit, limit) + limit
    below = position.floor()
    upper_prob = position - below
    probs = torch.zeros(*x.shape, num_bins, dtype=x.dtype, device=x.device)
    probs.scatter_(-1, below.long()[..., None], (1 - upper_prob)[..., None])
    above = (below.long() + 1).clamp(max=num_bins - 1)
    return probs.scatter_add_(-1, above[..., None], upper_prob[..., None])


def mean_of(logits: Float[Tensor, "*B S"]) -> Float[Tensor, "*B"]:
    """Return the scalar that a distribution over bins stands for: the inverse of `two_hot`."""
    limit = logits.shape[-1] // 2
    bins = torch.arange(-limit, limit + 1, dtype=logits.dtype, device=logits.device)
    return unsquash((logits.softmax(dim=-1) * bins).sum(dim=-1))


def cross_entropy(logits: Float[Tensor, "*B S"], probs: Float[Tensor, "*B S"]) -> Float[Tensor, "*B"]:
    """Return -Σ p log q."""
    return -(probs * logits.log_softmax(dim=-1)).sum(dim=-1)


def largest_scalar(num_bins: int) -> float:
    """Return the largest number that ``num_bins`` can stand for."""
    return float(unsquash(torch.tensor(float(num_bins // 2), dtype=torch.float64)))
