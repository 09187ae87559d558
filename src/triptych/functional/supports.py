"""Categorical supports: scalars as distributions over a few bins (Bellemare et al. 2017; Schrittwieser et al. 2020,
appendix F)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 0.001  # Schrittwieser et al. 2020, appendix F


def compress(x: Float[Tensor, "*batch"], epsilon: float = EPSILON) -> Float[Tensor, "*batch"]:
    """Return h(x) = sign(x)(√(\\|x\\| + 1) - 1) + εx (Pohlen et al. 2018, proposition A.2)."""
    return x.sign() * ((x.abs() + 1).sqrt() - 1) + epsilon * x


def expand(x: Float[Tensor, "*batch"], epsilon: float = EPSILON) -> Float[Tensor, "*batch"]:
    """Return h⁻¹(x) = sign(x)(((√(1 + 4ε(\\|x\\| + 1 + ε)) - 1) / 2ε)² - 1); ``epsilon`` must be above 0."""
    # (√(1 + y) - 1) / 2ε without the difference of near-equals that costs half the digits when ε is small.
    y = 4 * epsilon * (x.abs() + 1 + epsilon)
    root = 2 * (x.abs() + 1 + epsilon) / ((1 + y).sqrt() + 1)
    return x.sign() * (root.square() - 1)


def make_support(low: float | int, high: float | int, num_bins: int) -> Float[Tensor, " S"]:
    """Return ``num_bins`` evenly spaced points from ``low`` to ``high``."""
    if num_bins < 2 or not low < high:
        raise ValueError(f"A support from {low} to {high} with {num_bins} bins needs two bins and low below high.")
    return torch.linspace(low, high, num_bins)


def two_hot(x: Float[Tensor, "*batch"], support: Float[Tensor, " S"]) -> Float[Tensor, "*batch S"]:
    """Spread each scalar over the two points beside it so that the expectation is the scalar.

    ``support`` is evenly spaced; beyond its ends a scalar counts as the end.
    """
    position = (x.clamp(support[0], support[-1]) - support[0]) / (support[1] - support[0])
    lower = position.floor().clamp(max=len(support) - 2)
    upper_prob = (position - lower).clamp(max=1.0)[..., None]
    index = lower.long()[..., None]
    probs = torch.zeros(*x.shape, len(support), dtype=x.dtype, device=x.device)
    return probs.scatter(-1, index, 1 - upper_prob).scatter(-1, index + 1, upper_prob)


def expectation(probs: Float[Tensor, "*batch S"], support: Float[Tensor, " S"]) -> Float[Tensor, "*batch"]:
    """Return Σ p z of distributions over the support."""
    return (probs * support).sum(dim=-1)  # a matrix product would be rounded under autocast


def categorical_projection(
    r_t: Float[Tensor, " B"],
    discount_t: Float[Tensor, " B"],
    probs_t: Float[Tensor, "B S"],
    support: Float[Tensor, " S"],
) -> Float[Tensor, "B S"]:
    """Return the distribution of r + γ Z(s') on the support, where ``probs_t`` is that of Z(s').

    Each point r + γ z shares its probability between the two points of the evenly spaced support beside it; beyond the
    ends it counts as the end (Bellemare et al. 2017, equation 7). ``discount_t`` is 0 after termination.
    """
    moved = (r_t[:, None] + discount_t[:, None] * support).clamp(support[0], support[-1])  # [B, S]
    distance = (moved[:, None, :] - support[:, None]).abs() / (support[1] - support[0])  # [B, S, S']
    return ((1 - distance).clamp(min=0) * probs_t[:, None, :]).sum(dim=-1)


def compressed_two_hot(x: Float[Tensor, "*batch"], support: Float[Tensor, " S"]) -> Float[Tensor, "*batch S"]:
    """Return the distribution over the support that stands for a scalar of any size."""
    return two_hot(compress(x), support)


def scalar_of(logits: Float[Tensor, "*batch S"], support: Float[Tensor, " S"]) -> Float[Tensor, "*batch"]:
    """Return the scalar of any size that a distribution over the support stands for."""
    return expand(expectation(logits.float().softmax(dim=-1), support))
