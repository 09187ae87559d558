"""Quantiles of returns and the loss that learns them (Dabney et al. 2018)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def midpoints(num_quantiles: int) -> Float[Tensor, " Q"]:
    """Return τ̂ᵢ = (2i - 1) / 2N, the fractions whose quantiles are nearest to a distribution (QR-DQN, lemma 2)."""
    return (torch.arange(num_quantiles) + 0.5) / num_quantiles


def quantile_huber(
    quantiles: Float[Tensor, "B Q"],
    fractions: Float[Tensor, "B Q"] | Float[Tensor, " Q"],
    targets: Float[Tensor, "B T"],
    limit: float = 1.0,
) -> Float[Tensor, " B"]:
    """Return Σᵢ meanⱼ |τᵢ - 1{δᵢⱼ < 0}| L(δᵢⱼ) / κ with δᵢⱼ = target ⱼ - quantile ᵢ (QR-DQN, equations 9 and 10).

    L is Huber's loss with the threshold κ, the ``limit``; 0 stands for |δ| itself.
    """
    error = targets[:, None, :] - quantiles[:, :, None]  # [B, Q, T]
    magnitude = error.abs()
    quadratic = magnitude.clamp(max=limit)
    huber = quadratic * (magnitude - 0.5 * quadratic) / limit if limit else magnitude
    weight = (fractions[..., None] - (error.detach() < 0).float()).abs()
    return (weight * huber).mean(dim=-1).sum(dim=-1)
