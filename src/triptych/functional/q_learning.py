"""Q-learning: targets, values of actions, and epsilon-greedy choice."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.functional.masks import mask_out

LONGEST_DURATION = 10_000  # env steps that a random action may last
MUNCHAUSEN_FLOOR = -1.0  # l₀ of Vieillard et al. 2020


def q_learning_target(
    r_t: Float[Tensor, " B"],
    discount_t: Float[Tensor, " B"],
    q_t_value: Float[Tensor, "B A"],
    q_t_selector: Float[Tensor, "B A"],
) -> Float[Tensor, " B"]:
    """Return r + γ Q(s', argmax_a Q_selector(s', a)).

    With the target network as both, this is Mnih et al. 2015, algorithm 1; with the online network as
    selector, van Hasselt et al. 2016, equation 4. ``discount_t`` is 0 after termination.
    """
    a_t = q_t_selector.argmax(dim=-1, keepdim=True)
    return r_t + discount_t * q_t_value.gather(-1, a_t).squeeze(-1)


def soft_log_policy(q_values: Float[Tensor, "*batch A"], temperature: float) -> Float[Tensor, "*batch A"]:
    """Return log π, with π = softmax(Q / τ); ``temperature`` is τ."""
    return (q_values / temperature).log_softmax(dim=-1)


def soft_value(q_values: Float[Tensor, "*batch A"], temperature: float) -> Float[Tensor, "*batch"]:
    """Return Σ π(a) (Q(a) - τ log π(a)) of `soft_log_policy`, which is τ log Σ exp(Q/τ)."""
    return temperature * (q_values / temperature).logsumexp(dim=-1)


def munchausen_bonus(
    q_tm1: Float[Tensor, "B A"], a_tm1: Int[Tensor, " B"], scale: float, temperature: float
) -> Float[Tensor, " B"]:
    """Return α [τ log π(a|s)] clipped to l₀ and 0, which is added to the reward (Vieillard et al. 2020, section 3).

    ``q_tm1`` are the target network's values of s, ``scale`` is α, ``temperature`` τ.
    """
    log_prob = select(soft_log_policy(q_tm1, temperature), a_tm1)
    return scale * (temperature * log_prob).clamp(min=MUNCHAUSEN_FLOOR, max=0.0)


def select(q_tm1: Float[Tensor, "B A"], a_tm1: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return Q(s, a) of the actions taken."""
    return q_tm1.gather(-1, a_tm1[:, None]).squeeze(-1)


def epsilon_greedy(
    q_values: Float[Tensor, "N A"],
    epsilon: float,
    generator: torch.Generator,
    legal: Bool[Tensor, "N A"] | None = None,
) -> Int[Tensor, " N"]:
    """Choose the greedy action, or any action with probability ``epsilon``; drawn on the CPU.

    ``legal`` says which actions are allowed; ``None`` where all are.
    """
    greedy = q_values.argmax(dim=-1)
    num_envs, num_actions = q_values.shape
    is_random = torch.rand(num_envs, generator=generator) < epsilon
    if legal is None:
        random = torch.randint(num_actions, (num_envs,), generator=generator)
    else:
        random = mask_out(torch.rand(num_envs, num_actions, generator=generator), legal.cpu()).argmax(dim=-1)
    return torch.where(is_random.to(greedy.device), random.to(greedy.device), greedy)


def zeta_durations(num: int, exponent: float, generator: torch.Generator) -> Int[Tensor, " N"]:
    """Draw numbers of steps n from 1 up, with a probability in proportion to n^-``exponent``; drawn on the CPU.

    Dabney et al. 2021, section 3 (their z). None is above ``LONGEST_DURATION``.
    """
    weights = torch.arange(1, LONGEST_DURATION + 1, dtype=torch.float64) ** -exponent
    up_to = weights.cumsum(dim=0)
    drawn = torch.rand(num, generator=generator, dtype=torch.float64) * up_to[-1]
    return torch.searchsorted(up_to, drawn, right=True).clamp(max=LONGEST_DURATION - 1) + 1


def majority_vote(q_values: Float[Tensor, "N A K"]) -> Float[Tensor, "N A"]:
    """Return for how many of the K heads each action is the best (Osband et al. 2016, appendix D); ties by their mean.

    The means of the heads' values are brought to 0 to 1/2 of a vote.
    """
    num_actions = q_values.shape[1]
    votes = torch.nn.functional.one_hot(q_values.argmax(dim=1), num_actions).sum(dim=1).float()  # [N, A]
    mean = q_values.mean(dim=-1)
    low, high = mean.amin(dim=-1, keepdim=True), mean.amax(dim=-1, keepdim=True)
    return votes + 0.5 * (mean - low) / (high - low).clamp(min=torch.finfo(mean.dtype).tiny)
