"""Gradients of all parameters together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def clip_gradients(parameters: Sequence[Tensor], max_norm: float) -> Float[Tensor, ""]:
    """Scale the gradients down so that their common norm is at most ``max_norm``; return the norm they had."""
    grad_norm = torch.nn.utils.get_total_norm(
        [parameter.grad for parameter in parameters if parameter.grad is not None]
    )
    # Scaling by one costs a pass over all gradients. On the CPU it costs nothing to look, on a GPU a wait for it.
    if max_norm < math.inf and (grad_norm.device.type != "cpu" or grad_norm > max_norm):
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, grad_norm)
    return grad_norm


def scale_gradient(x: Float[Tensor, "*shape"], factor: float) -> Float[Tensor, "*shape"]:
    """Return ``x`` unchanged; its gradient goes on multiplied by ``factor``."""
    return x * factor + x.detach() * (1 - factor)
