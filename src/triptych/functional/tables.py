"""Values of numbered states and actions, as tables ``[S, A]``."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def value_iteration(
    transition: Float[Tensor, "S A S"],
    reward: Float[Tensor, "S A"],
    is_terminal: Bool[Tensor, " S"],
    discount: float,
    tolerance: float = 1e-9,
    max_sweeps: int = 100_000,
) -> Float[Tensor, "S A"]:
    """Return Q*, the fixed point of Q(s, a) = r(s, a) + γ Σ p(s' | s, a) max Q(s', ·), 0 in terminal states.

    Sutton & Barto 2018, equation 4.10 for values of actions. It sweeps until no value changes by more than
    ``tolerance``, or ``max_sweeps`` times: with γ = 1 there may be no fixed point.
    """
    q_values = torch.zeros_like(reward)
    for _ in range(max_sweeps):
        before = q_values
        q_values = reward + discount * (transition @ q_values.amax(dim=-1))
        q_values[is_terminal] = 0.0
        if (q_values - before).abs().max() <= tolerance:
            break
    return q_values


def break_ties(q_values: Float[Tensor, "N A"], generator: torch.Generator) -> Float[Tensor, "N A"]:
    """Return numbers whose largest is, with equal chances, at one of the largest values; drawn on the CPU."""
    chance = torch.rand(q_values.shape, generator=generator).to(q_values.device)
    return torch.where(q_values == q_values.amax(dim=-1, keepdim=True), chance, -1.0)
