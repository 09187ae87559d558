"""Policies: drawing from them, and what makes good actions likelier."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Categorical, Distribution

from triptych.functional.distributions import Factored, Hybrid


def sample(policy: Distribution, generator: torch.Generator) -> Shaped[Tensor, "B ..."]:
    """Draw one action per environment with noise from ``generator``, which lives on the CPU.

    A categorical draw is the largest of logits plus Gumbel noise; a Gaussian one is mean plus scaled noise; of several
    choices at once each is drawn by itself, and numbers beside them after them.
    """
    if isinstance(policy, Factored):
        return policy.together([sample(choice, generator) for choice in policy.choices])
    if isinstance(policy, Hybrid):
        return policy.together(sample(policy.discrete, generator), sample(policy.numbers, generator))
    if isinstance(policy, Categorical):
        uniform = torch.rand(policy.logits.shape, generator=generator).clamp_(min=torch.finfo(torch.float32).tiny)
        gumbel = -torch.log(-torch.log(uniform))
        return (policy.logits + gumbel.to(policy.logits.device)).argmax(dim=-1)
    noise = torch.randn(policy.mean.shape, generator=generator)
    return policy.mean + policy.stddev * noise.to(policy.mean.device)


def policy_gradient_losses(log_prob: Float[Tensor, " B"], advantage: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return -log π(a|s) A: its gradient is that of Williams 1992 (REINFORCE), A taken as given."""
    return -log_prob * advantage.detach()


def clipped_surrogate_losses(
    log_ratio: Float[Tensor, " B"], advantage: Float[Tensor, " B"], clip_range: float
) -> Float[Tensor, " B"]:
    """Return the negated clipped objective of Schulman et al. 2017, equation 7.

    ``log_ratio`` is log π(a|s) - log π_old(a|s). Where the ratio has left 1 ± ``clip_range`` in the direction
    that the advantage asks for, the gradient is zero.
    """
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.minimum(ratio * advantage, clipped * advantage)


def clipped_value_losses(
    value: Float[Tensor, " B"], old_value: Float[Tensor, " B"], target: Float[Tensor, " B"], clip_range: float
) -> Float[Tensor, " B"]:
    """Return ½δ², of the value itself or of the value moved at most ``clip_range``, whichever is larger.

    In the code of Schulman et al. 2017, not in their paper.
    """
    clipped = old_value + (value - old_value).clamp(-clip_range, clip_range)
    return 0.5 * torch.maximum((target - value).square(), (target - clipped).square())


def approximate_kl(log_ratio: Float[Tensor, " B"]) -> Float[Tensor, ""]:
    """Estimate KL(π_old, π) from actions of π_old by the mean of ratio - 1 - log ratio, which is never negative.

    Schulman 2020, "Approximating KL divergence", estimator k3.
    """
    return (log_ratio.expm1() - log_ratio).mean()


def standardize(advantage: Float[Tensor, " B"], batch: Float[Tensor, " C"]) -> Float[Tensor, " B"]:
    """Return the advantages of a part of a batch, which has mean 0 and standard deviation 1 as a whole."""
    return (advantage - batch.mean()) / (batch.std(correction=0) + 1e-8)
