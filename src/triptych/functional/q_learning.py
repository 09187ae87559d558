"""Q-learning: targets, values of actions, and epsilon-greedy choice."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


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


def select(q_tm1: Float[Tensor, "B A"], a_tm1: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return Q(s, a) of the actions taken."""
    return q_tm1.gather(-1, a_tm1[:, None]).squeeze(-1)


def epsilon_greedy(q_values: Float[Tensor, "N A"], epsilon: float, generator: torch.Generator) -> Int[Tensor, " N"]:
    """Choose the greedy action, or any action with probability ``epsilon``; drawn on the CPU."""
    greedy = q_values.argmax(dim=-1)
    num_envs, num_actions = q_values.shape
    is_random = torch.rand(num_envs, generator=generator) < epsilon
    random = torch.randint(num_actions, (num_envs,), generator=generator)
    return torch.where(is_random.to(greedy.device), random.to(greedy.device), greedy)
