"""What is minimised: errors and distributions turned into losses, one for each row."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def huber(td_error: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return ½δ² for \\|δ\\| ≤ 1, else \\|δ\\| - ½: its gradient is the clipped error of Mnih et al. 2015, Methods."""
    magnitude = td_error.abs()
    quadratic = magnitude.clamp(max=1.0)
    return quadratic * (magnitude - 0.5 * quadratic)


def half_squared(td_error: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return ½δ²."""
    return 0.5 * td_error.square()


def cross_entropy(logits: Float[Tensor, "*batch S"], probs: Float[Tensor, "*batch S"]) -> Float[Tensor, "*batch"]:
    """Return -Σ p log q of the distribution q that the logits give."""
    return -(probs * logits.log_softmax(dim=-1)).sum(dim=-1)


def divergence(logits: Float[Tensor, "*batch S"], probs: Float[Tensor, "*batch S"]) -> Float[Tensor, "*batch"]:
    """Return Σ p log (p/q), of Kullback and Leibler, of the distribution q that the logits give: 0 where q is p."""
    return (cross_entropy(logits, probs) - torch.special.entr(probs).sum(dim=-1)).clamp(min=0.0)
