"""Actor-critic networks: a policy and a state value."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from triptych.functional.distributions import Factored, Hybrid
from triptych.functional.masks import mask_out
from triptych.networks.choice import Network, OwnNetwork, OwnTorso, make_torso
from triptych.networks.normalization import make_normalization
from triptych.networks.torsos import initialize_orthogonal
from triptych.types import EnvSpec
from triptych.types.bounds import FARTHEST_BOUND


class CategoricalHead(nn.Module):
    """A probability for each discrete action."""

    def __init__(self, num_features: int, num_actions: int) -> None:
        super().__init__()
        self.logits = nn.Linear(num_features, num_actions)

    def forward(self, features: Float[Tensor, "B F"], legal: Bool[Tensor, "B A"] | None = None) -> Categorical:
        """Return the policies; actions that are not ``legal`` have no probability."""
        logits = self.logits(features)
        return Categorical(logits=logits if legal is None else mask_out(logits, legal), validate_args=False)


class FactoredHead(nn.Module):
    """A probability for each option of several discrete choices, which are made independently."""

    def __init__(self, num_features: int, spec: EnvSpec) -> None:
        super().__init__()
        self.sizes, self.action_shape = spec.action_sizes, spec.action_shape
        self.logits = nn.Linear(num_features, sum(spec.action_sizes))

    def forward(self, features: Float[Tensor, "B F"]) -> Factored:
        return Factored(self.logits(features), self.sizes, self.action_shape)


class GaussianHead(nn.Module):
    """A normal distribution for each component of a continuous action, in the environment's units.

    The layer's output 0 is the middle between the bounds, 1 the upper one; where there is no bound, or one farther than
    1e6, it is the action itself. The standard deviation does not depend on the state (Schulman et al. 2017, section
    6.1) and starts at ``initial_std`` times half the range, which counts as 1 where the bounds are equal. A draw may
    lie beyond the bounds; the environment clips.
    """

    middle: Tensor
    half_range: Tensor

    def __init__(self, num_features: int, spec: EnvSpec, initial_std: float = 1.0) -> None:
        super().__init__()
        low, high = torch.tensor(spec.action_low), torch.tensor(spec.action_high)
        is_bounded = (low.abs() <= FARTHEST_BOUND) & (high.abs() <= FARTHEST_BOUND)
        self.register_buffer("middle", torch.where(is_bounded, (low + high) / 2, 0.0))
        self.register_buffer("half_range", torch.where(is_bounded & (high > low), (high - low) / 2, 1.0))
        self.action_shape = spec.action_shape
        self.mean = nn.Linear(num_features, math.prod(spec.action_shape))
        self.log_std = nn.Parameter(torch.full((math.prod(spec.action_shape),), math.log(initial_std)))

    def forward(self, features: Float[Tensor, "B F"]) -> Independent:
        mean = self.middle + self.half_range * self.mean(features)
        std = (self.half_range * self.log_std.exp()).expand_as(mean)
        shape = (len(mean), *self.action_shape)
        return Independent(
            Normal(mean.view(shape), std.reshape(shape), validate_args=False),
            reinterpreted_batch_ndims=len(self.action_shape),
            validate_args=False,
        )


class HybridHead(nn.Module):
    """A probability for each option of discrete choices, and a normal distribution for each number beside them."""

    def __init__(self, num_features: int, spec: EnvSpec, initial_std: float = 1.0) -> None:
        super().__init__()
        num_choices, num_numbers = len(spec.action_sizes), len(spec.action_low)
        self.choices = FactoredHead(num_features, replace(spec, action_shape=(num_choices,)))
        self.numbers = GaussianHead(num_features, replace(spec, action_shape=(num_numbers,)), initial_std)

    def forward(self, features: Float[Tensor, "B F"]) -> Hybrid:
        return Hybrid(self.choices(features), self.numbers(features))


PolicyHead = CategoricalHead | FactoredHead | GaussianHead | HybridHead


def make_policy_head(num_features: int, spec: EnvSpec, initial_std: float = 1.0) -> PolicyHead:
    """Make what turns features into a distribution over the actions of an environment; see `GaussianHead`."""
    if spec.num_actions is not None:
        return CategoricalHead(num_features, spec.num_actions)
    if spec.is_hybrid:
        return HybridHead(num_features, spec, initial_std)
    if spec.action_sizes:
        return FactoredHead(num_features, spec)
    return GaussianHead(num_features, spec, initial_std)


class ActorCritic(nn.Module):
    """π(·|s) and V(s): on one torso for images, on one each for vectors.

    Both are in single precision whatever the precision of the torso: a policy ratio of 1.01 must be told from 1.

    Args:
        spec: of the environments.
        normalize_observations: bring vectors to mean 0 and variance 1 as seen so far (`RunningNormalization`).
        network: what the user chose of the torso, see `make_torso`.
        initial_std: see `GaussianHead`.

    Raises:
        ConfigurationError: images were to be normalised.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        normalize_observations: bool = False,
        network: Network | OwnNetwork | None = None,
        initial_std: float = 1.0,
    ) -> None:
        super().__init__()
        self.spec, spec = spec, spec.seen
        self.normalization = make_normalization(spec, normalize_observations)
        torsos = [
            make_torso(spec, network, vector_sizes=(64, 64), activation=nn.Tanh)
            for _ in range(1 if spec.is_image else 2)
        ]
        self.policy_torso, self.value_torso = torsos[0], torsos[-1]
        num_features = self.policy_torso.num_features
        self.policy = make_policy_head(num_features, spec, initial_std)
        self.value = nn.Linear(num_features, 1)
        if not isinstance(self.policy_torso, OwnTorso):
            initialize_orthogonal(self, gain=math.sqrt(2))
        initialize_orthogonal(self.policy, gain=0.01)  # almost uniform at the start
        initialize_orthogonal(self.value, gain=1.0)

    def forward(self, observation: Float[Tensor, "B ..."] | Tensor) -> tuple[Distribution, Float[Tensor, " B"]]:
        """Return the policies and the values ``[B]``."""
        seen, legal = self.spec.see(observation), self.spec.legal_actions(observation)
        if self.normalization is not None:
            seen = self.normalization(seen)
        policy_features = self.policy_torso(seen)
        is_shared = self.value_torso is self.policy_torso
        value_features = policy_features if is_shared else self.value_torso(seen)
        with torch.autocast(observation.device.type, enabled=False):
            policy = self.policy(policy_features.float(), *([] if legal is None else [legal]))
            return policy, self.value(value_features.float()).squeeze(-1)

    def observe(self, observation: Float[Tensor, "T N ..."] | Tensor) -> None:
        """Count a rollout's observations into the running statistics, where they are used."""
        if self.normalization is not None and len(observation):
            self.normalization.update(self.spec.see(observation.flatten(0, 1)))
