"""Returns over rollouts ``[T, N]``, in which episodes end and begin anywhere."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def successor_values(
    v_tm1: Float[Tensor, "T N"], is_cut: Bool[Tensor, "T N"], bootstrap_value: Float[Tensor, " cuts"]
) -> Float[Tensor, "T N"]:
    """Return V(s') of every step, given V(s).

    It stands in the next row, except where ``is_cut`` says that the next row is no successor: there comes
    ``bootstrap_value``, one for each true entry in row-major order, the value of the true next observation.
    """
    v_t = v_tm1.roll(-1, dims=0)
    v_t[is_cut] = bootstrap_value
    return v_t


def lambda_returns(
    r_t: Float[Tensor, "T N"],
    discount_t: Float[Tensor, "T N"],
    v_t: Float[Tensor, "T N"],
    is_cut: Bool[Tensor, "T N"],
    lambda_: float,
) -> Float[Tensor, "T N"]:
    """Return G = r + γ ((1 - λ) V(s') + λ G'), and G = r + γ V(s') where the return is cut.

    Sutton & Barto 2018, equation 12.18. With λ = 1 it is the n-step return up to the cut (Mnih et al. 2016,
    algorithm S3), with λ = 0 the one-step target. ``discount_t`` is 0 after termination; a truncated return keeps
    γ V(s').
    """
    returns = torch.empty_like(r_t)
    next_return = v_t[-1]
    for time in reversed(range(len(r_t))):
        future = torch.where(is_cut[time], v_t[time], torch.lerp(v_t[time], next_return, lambda_))
        next_return = returns[time] = r_t[time] + discount_t[time] * future
    return returns


def generalized_advantages(
    r_t: Float[Tensor, "T N"],
    discount_t: Float[Tensor, "T N"],
    v_tm1: Float[Tensor, "T N"],
    v_t: Float[Tensor, "T N"],
    is_cut: Bool[Tensor, "T N"],
    lambda_: float,
) -> tuple[Float[Tensor, "T N"], Float[Tensor, "T N"]]:
    """Return the generalized advantage estimate (GAE) A = δ + γλδ' + (γλ)²δ'' + ... and the returns A + V(s).

    Schulman et al. 2016, equation 16, with δ = r + γ V(s') - V(s). It is the λ-return less the value of the state, and
    is computed so; the returns are what the critic learns.
    """
    returns = lambda_returns(r_t, discount_t, v_t, is_cut, lambda_)
    return returns - v_tm1, returns


def is_of_ended_episode(is_last: Bool[Tensor, "T N"]) -> Bool[Tensor, "T N"]:
    """Return which steps belong to an episode whose end lies within the rollout."""
    return is_last.flip(0).cummax(dim=0).values.flip(0)


def n_step_returns(
    reward: Float[Tensor, "B L"], discount: Float[Tensor, "B L"], value: Float[Tensor, "B L+1"], n_step: int
) -> Float[Tensor, "B starts"]:
    """Return r + γ r' + ... + γⁿ V of the first L - n + 1 steps, for ``U = L - n``.

    Schrittwieser et al. 2020, section 3. ``discount`` is 0 at a termination and 1 where nothing follows.
    """
    num_starts = reward.shape[1] - n_step + 1
    returns = value[:, n_step : n_step + num_starts]
    for step in reversed(range(n_step)):
        here = slice(step, step + num_starts)
        returns = reward[:, here] + discount[:, here] * returns
    return returns
