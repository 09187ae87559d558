"""Actions that are not allowed."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

NOT_ALLOWED = -1e9  # the logit or value of such an action: below all others, and finite, so that 0 times it is 0


def mask_out(outputs: Float[Tensor, "*batch A"], legal: Bool[Tensor, "*batch A"]) -> Float[Tensor, "*batch A"]:
    """Return logits or values in which no action that is not allowed is ever the best or has a probability."""
    return torch.where(legal, outputs, NOT_ALLOWED)


def legal_mean(values: Float[Tensor, "*batch A"], legal: Bool[Tensor, "*batch A"] | None) -> Float[Tensor, ""]:
    """Return the mean over the actions that are allowed, ``None`` for all."""
    return values.mean() if legal is None else torch.where(legal, values, 0.0).sum() / legal.sum()


def legal_max(values: Float[Tensor, "*batch A"], legal: Bool[Tensor, "*batch A"] | None) -> Float[Tensor, ""]:
    """Return the largest of magnitudes over the actions that are allowed, ``None`` for all."""
    return values.max() if legal is None else torch.where(legal, values, 0.0).max()
