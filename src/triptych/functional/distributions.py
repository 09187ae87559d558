"""Distributions over actions that PyTorch does not have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Normal, kl_divergence
from torch.distributions.kl import register_kl


class Factored(Distribution):
    """Several discrete choices at once, each independent of the others given the state.

    Args:
        logits: of all choices one after the other, ``[B, sum of sizes]``.
        sizes: how many options each choice has.
        action_shape: of one action, whose flattened entries are the choices.
    """

    def __init__(self, logits: Tensor, sizes: Sequence[int], action_shape: tuple[int, ...]) -> None:
        self.choices = [Categorical(logits=part, validate_args=False) for part in logits.split(list(sizes), dim=-1)]
        self.action_shape = action_shape
        super().__init__(logits.shape[:-1], torch.Size(action_shape), validate_args=False)

    def together(self, options: Sequence[Tensor]) -> Tensor:
        """Put options ``[B]`` of each choice together to actions ``[B, *action_shape]``."""
        return torch.stack(list(options), dim=-1).unflatten(-1, self.action_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        options = value.flatten(1).unbind(dim=-1)
        return torch.stack([one.log_prob(option) for one, option in zip(self.choices, options, strict=True)]).sum(dim=0)

    def entropy(self) -> Tensor:
        return torch.stack([one.entropy() for one in self.choices]).sum(dim=0)

    @property
    def mode(self) -> Tensor:
        return self.together([one.mode for one in self.choices])


class Hybrid(Distribution):
    """Discrete choices and continuous numbers at once, independent of each other given the state.

    An action is a row ``[B, C + D]`` of the numbers' type: the options of the C choices, as whole numbers, and behind
    them the D numbers. Its log probability is the sum of both parts', one of a probability and one of a density.

    Args:
        choices: C of them, of actions ``[B, C]``.
        numbers: a normal distribution of D numbers, of actions ``[B, D]``.
    """

    def __init__(self, choices: Factored, numbers: Independent) -> None:
        self.discrete, self.numbers, self.num_choices = choices, numbers, len(choices.choices)
        size = self.num_choices + numbers.event_shape.numel()
        super().__init__(numbers.batch_shape, torch.Size([size]), validate_args=False)

    def together(self, options: Tensor, numbers: Tensor) -> Tensor:
        """Put options ``[B, C]`` and numbers ``[B, D]`` together to actions ``[B, C + D]``."""
        return torch.cat([options.to(numbers.dtype), numbers], dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        options, numbers = value[..., : self.num_choices], value[..., self.num_choices :]
        return self.discrete.log_prob(options.long()) + self.numbers.log_prob(numbers)

    def entropy(self) -> Tensor:
        return self.discrete.entropy() + self.numbers.entropy()

    @property
    def mode(self) -> Tensor:
        return self.together(self.discrete.mode, self.numbers.mode)


@register_kl(Factored, Factored)
def _of_factored(policy: Factored, other: Factored) -> Tensor:
    """Return KL(policy, other) ``[B]``: the sum over the choices, which are independent."""
    return torch.stack([kl_divergence(*pair) for pair in zip(policy.choices, other.choices, strict=True)]).sum(dim=0)


@register_kl(Hybrid, Hybrid)
def _of_hybrid(policy: Hybrid, other: Hybrid) -> Tensor:
    """Return KL(policy, other) ``[B]``: the choices' and the numbers' together."""
    return kl_divergence(policy.discrete, other.discrete) + kl_divergence(policy.numbers, other.numbers)


def described(policy: Distribution) -> dict[str, Tensor]:
    """Return the numbers that a policy consists of, by their names in an `Explanation`; none of an unknown one."""
    if isinstance(policy, Categorical):
        return {"action_probs": policy.probs}
    if isinstance(policy, Factored):
        return {"action_probs": torch.cat([one.probs for one in policy.choices], dim=-1)}
    if isinstance(policy, Hybrid):
        return described(policy.discrete) | described(policy.numbers)
    if isinstance(policy, Independent) and isinstance(policy.base_dist, Normal):
        return {"action_mean": policy.base_dist.mean, "action_std": policy.base_dist.stddev}
    return {}
