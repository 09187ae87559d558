"""Soft actor-critic with a learned temperature: Haarnoja et al. 2018b, arXiv 1812.05905.

Differences from the paper:
 1. The temperature's loss is linear in its logarithm, as in the authors' code.
 2. Critics, policy and temperature learn from the parameters before an update (paper: one after the other).
 3. The first 5,000 actions are uniformly random (authors' code: 10,000 on HalfCheetah).
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.continuous_control import clipped_double_q_target, squashed_gaussian, temperature_losses
from triptych.functional.losses import half_squared
from triptych.networks.action_scale import ActionScale, check_bounded_actions
from triptych.networks.average import WeightAverage
from triptych.networks.continuous_critic import ContinuousCritic
from triptych.networks.continuous_policy import SquashedGaussianPolicy
from triptych.networks.normalization import ObservationNormalization
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, ReplayBatch, Transition
from triptych.types.bounds import Between, CountOrZero, Fraction, Positive


class SAC(Algorithm):
    """A stochastic policy that seeks value and entropy, and two critics, the smaller of which counts.

    Actions are numbers from -1 to 1 here and in the critics; what is played and remembered is in the environment's
    units.

    Args:
        spec: of the environments; actions must be continuous and bounded.
        learning_starts_env_steps: before which actions are uniformly random.
        target_update_rate: τ, by which the target critics move towards the learned ones at each update.
        initial_temperature: α at the start, the worth of a unit of entropy.
        target_entropy_per_action: to which α brings the policy's entropy, for each number of an action, from -1 to 1.
        policy_hidden_sizes, critic_hidden_sizes: units of the hidden layers.
        normalize_observations: bring them to mean 0 and variance 1, as seen in minibatches so far.
        kwargs: see `Algorithm`.
    """

    needs_discrete_actions = False

    def __init__(
        self,
        spec: EnvSpec,
        *,
        learning_starts_env_steps: CountOrZero,
        target_update_rate: Fraction,
        initial_temperature: Positive,
        target_entropy_per_action: Annotated[float, Between(-100, 1)],
        policy_hidden_sizes: list[Annotated[int, Between(1, 65_536)]],
        critic_hidden_sizes: list[Annotated[int, Between(1, 65_536)]],
        normalize_observations: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.learning_starts_env_steps = learning_starts_env_steps
        self.target_entropy = target_entropy_per_action * math.prod(spec.action_shape)
        self.scale = ActionScale(spec)
        self.normalization = ObservationNormalization(spec, normalize_observations)
        self.policy = SquashedGaussianPolicy(spec, policy_hidden_sizes)
        self.critic = ContinuousCritic(spec, critic_hidden_sizes, num_critics=2)
        self.target_critic = WeightAverage(self.critic, 1.0 - target_update_rate)
        self.log_temperature = torch.nn.Parameter(torch.tensor(math.log(initial_temperature)))

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        check_bounded_actions(cls.__name__, spec)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        mean, log_std = self.policy(self.normalization(observation))  # [N, D]
        if mode != EXPLORE:
            action = mean.tanh()
        elif self.env_steps < self.learning_starts_env_steps:
            action = (2.0 * torch.rand(mean.shape, generator=self.generator(mode)) - 1.0).to(mean.device)
        else:
            noise = torch.randn(mean.shape, generator=self.generator(mode)).to(mean.device)
            action = (mean + log_std.exp() * noise).tanh()
        return ActorOutput(self.scale.to_environment(action), {})

    def loss(self, minibatch: Minibatch[Transition]) -> LossOutput:
        observation, action, reward, discount, next_observation = minibatch.sample
        observation, next_observation = self.normalization(observation), self.normalization(next_observation)
        action = self.scale.from_environment(action)  # [B, D]
        drawn = torch.randn((2, *action.shape), generator=self.learning_generator)
        next_noise, noise = drawn.to(action.device, non_blocking=True)
        temperature = self.log_temperature.detach().exp()
        with torch.no_grad():
            mean, log_std = self.policy(next_observation)
            next_action, next_log_prob = squashed_gaussian(mean, log_std, next_noise)
            next_value = self.target_critic(next_observation, next_action) - temperature * next_log_prob  # [2, B]
            target = clipped_double_q_target(reward, discount, next_value)  # [B]
        q_values = self.critic(observation, action)  # [2, B]
        td_error = target - q_values
        critic_loss = (minibatch.weight * half_squared(td_error.flatten()).view_as(q_values).sum(dim=0)).mean()
        mean, log_std = self.policy(observation)
        new_action, log_prob = squashed_gaussian(mean, log_std, noise)
        new_value = self.critic(observation, new_action, is_frozen=True).amin(dim=0)  # [B]
        policy_loss = (temperature * log_prob - new_value).mean()
        temperature_loss = temperature_losses(self.log_temperature, log_prob, self.target_entropy).mean()
        metrics = {
            "critic_loss": critic_loss,
            "policy_loss": policy_loss,
            "temperature": temperature,
            "entropy": -log_prob.mean(),
            "q_value_mean": q_values.mean(),
        }
        loss = critic_loss + policy_loss + temperature_loss
        return LossOutput(loss, metrics, priorities=td_error.abs().mean(dim=0))

    def explain(self, observation: Tensor) -> Explanation:
        observation = self.normalization(observation)
        mean, log_std = self.policy(observation)  # [T, D]
        action = mean.tanh()
        return Explanation(
            value=self.critic(observation, action).amin(dim=0),
            action_mean=self.scale.to_environment(action),
            action_std=self.scale.deviation((1.0 - action.square()) * log_std.exp()),  # to first order
        )

    def after_update(self) -> None:
        self.target_critic.follow(self.critic, self.updates)

    def after_turn(self, batch: ReplayBatch) -> None:
        self.normalization.observe(batch.sample.observation)
