"""Between the bounds of an environment's continuous actions and the numbers from -1 to 1 that policies give."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.types import ConfigurationError, EnvSpec
from triptych.types.bounds import FARTHEST_BOUND

# Which algorithms play all actions, also choices and continuous numbers at once; for sentences that refuse.
ALL_ACTIONS = "algo=ppo, a2c, reinforce or recurrent_ppo"
CONTINUOUS_ACTIONS = "algo=ppo, a2c, reinforce, recurrent_ppo, sac or td3"


def check_bounded_actions(algorithm: str, spec: EnvSpec) -> None:
    """Raise `ConfigurationError` unless vectors are seen and all actions are continuous and between finite bounds."""
    if spec.is_discrete:
        way_out = "algo=dqn" if spec.num_actions is not None else "algo=ppo"
        raise ConfigurationError(
            f"algo: {algorithm} gives continuous actions, but env={spec.name} has discrete ones; choose {way_out}, or "
            "an env with continuous actions."
        )
    if spec.is_hybrid:
        raise ConfigurationError(
            f"algo: {algorithm} gives continuous actions alone, but env={spec.name} has {actions_in_words(spec)}; "
            f"choose {ALL_ACTIONS}."
        )
    if not all(abs(bound) <= FARTHEST_BOUND for bound in (*spec.action_low, *spec.action_high)):
        raise ConfigurationError(
            f"algo: {algorithm} scales its actions to their bounds, but those of env={spec.name} have none that are "
            f"within ±{FARTHEST_BOUND:g}; choose algo=ppo."
        )
    if spec.is_image:
        raise ConfigurationError(f"algo: {algorithm} reads vectors, but env={spec.name} shows images; choose algo=ppo.")


def all_actions(spec: EnvSpec) -> str:
    """Return which algorithms play actions that are not one choice."""
    return ALL_ACTIONS if spec.action_sizes or spec.is_image else CONTINUOUS_ACTIONS


def actions_in_words(spec: EnvSpec) -> str:
    """Return what the actions are that are not one choice."""
    if not spec.action_sizes:
        return f"continuous ones of shape {spec.action_shape}"
    numbers = f" and {_count(len(spec.action_low), 'continuous number')}" if spec.is_hybrid else ""
    return f"{_count(len(spec.action_sizes), 'choice')}{numbers} at once"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class ActionScale(nn.Module):
    """Scales actions: -1 is the lower bound, 1 the upper one."""

    middle: Tensor
    half_range: Tensor

    def __init__(self, spec: EnvSpec) -> None:
        super().__init__()
        low, high = torch.tensor(spec.action_low), torch.tensor(spec.action_high)
        half_range = (high - low) / 2
        self.register_buffer("middle", (low + high) / 2, persistent=False)
        self.register_buffer("half_range", torch.where(half_range > 0, half_range, 1.0), persistent=False)
        self.action_shape = spec.action_shape

    def to_environment(self, action: Float[Tensor, "B D"]) -> Float[Tensor, "B ..."]:
        """Return actions ``[B, *action_shape]`` in the environment's units."""
        return (self.middle + self.half_range * action).reshape(-1, *self.action_shape)

    def from_environment(self, action: Float[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
        """Return actions from -1 to 1, of those in the environment's units."""
        return (action.reshape(len(action), -1) - self.middle) / self.half_range

    def deviation(self, std: Float[Tensor, "B D"]) -> Float[Tensor, "B ..."]:
        """Return standard deviations ``[B, *action_shape]`` in the environment's units."""
        return (self.half_range * std).reshape(-1, *self.action_shape)
