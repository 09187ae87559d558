"""Values and policies of bounded continuous actions, which are numbers from -1 to 1 here."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def clipped_double_q_target(
    r_t: Float[Tensor, " B"], discount_t: Float[Tensor, " B"], q_t: Float[Tensor, "H B"]
) -> Float[Tensor, " B"]:
    """Return r + γ min_h Q_h(s', a') over H critics (Fujimoto et al. 2018, algorithm 1); of one critic, its own."""
    return r_t + discount_t * q_t.amin(dim=0)


def noisy_action(
    action: Float[Tensor, "B D"], noise: Float[Tensor, "B D"], noise_clip: float = math.inf
) -> Float[Tensor, "B D"]:
    """Return the action with the noise, which is clipped first, within the bounds (Fujimoto et al. 2018, eq. 14)."""
    return (action + noise.clamp(-noise_clip, noise_clip)).clamp(-1.0, 1.0)


def sometimes_random(
    action: Float[Tensor, "B D"], probability: float, generator: torch.Generator
) -> Float[Tensor, "B D"]:
    """Return uniformly random actions in place of some, of each row alike (Andrychowicz et al. 2017, appendix A)."""
    random = 2.0 * torch.rand(action.shape, generator=generator) - 1.0
    is_random = torch.rand((len(action), 1), generator=generator) < probability
    return torch.where(is_random.to(action.device), random.to(action.device), action)


def squashed_gaussian(
    mean: Float[Tensor, "B D"], log_std: Float[Tensor, "B D"], noise: Float[Tensor, "B D"]
) -> tuple[Float[Tensor, "B D"], Float[Tensor, " B"]]:
    """Return the action tanh(u), u = μ + σ ε, and its log probability (Haarnoja et al. 2018b, appendix C).

    log π(a) = Σ log N(u; μ, σ) - log(1 - tanh²u), where the last is 2 (log 2 - u - softplus(-2u)), which is also right
    where tanh is 1 to the last digit.
    """
    before = mean + log_std.exp() * noise
    log_normal = -0.5 * noise.square() - log_std - HALF_LOG_TWO_PI
    log_slope = 2.0 * (math.log(2.0) - before - torch.nn.functional.softplus(-2.0 * before))
    return before.tanh(), (log_normal - log_slope).sum(dim=-1)


def temperature_losses(
    log_temperature: Float[Tensor, ""], log_prob: Float[Tensor, " B"], target_entropy: float
) -> Float[Tensor, " B"]:
    """Return -log α (log π + H), which raises α where the policy's entropy is below H.

    As in the authors' code; Haarnoja et al. 2018b, eq. 18, has α itself, whose gradient has the same sign.
    """
    return -log_temperature * (log_prob.detach() + target_entropy)
