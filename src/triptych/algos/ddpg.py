"""Deep deterministic policy gradient: Lillicrap et al. 2016, arXiv 1509.02971, with the gradient of Silver et al. 2014.

Differences from the paper:
 1. Exploration is by normal noise, independent from step to step (paper: an Ornstein-Uhlenbeck process).
 2. The first actions are uniformly random.
 3. Hidden layers have 256 units (paper: 400 and 300), the action enters the critic at its first layer (second), the
    last layer starts as the others do (within ±3e-3), and nothing is normalised by batches (paper: the low-dimensional
    observations are).
 4. Policy and critic have one learning rate, 3e-4 (paper: 1e-4 and 1e-3), and no weight decay (1e-2 of the critic).
 5. Both learn from the parameters before an update (paper: the policy from the critic after it), in batches of 256
    (paper: 64).
 6. The target networks move by 0.005 (0.001).
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.continuous_control import clipped_double_q_target, noisy_action, sometimes_random
from triptych.functional.losses import half_squared
from triptych.networks.action_scale import ActionScale, check_bounded_actions
from triptych.networks.average import WeightAverage
from triptych.networks.continuous_critic import ContinuousCritic
from triptych.networks.continuous_policy import DeterministicPolicy
from triptych.networks.normalization import ObservationNormalization
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, ReplayBatch, Transition
from triptych.types.bounds import Between, Coefficient, CountOrZero, Fraction


class DDPG(Algorithm):
    """A policy that follows the gradient of its critic's value with respect to the action.

    Actions are numbers from -1 to 1 here and in the critic; what is played and remembered is in the environment's
    units.

    Args:
        spec: of the environments; actions must be continuous and bounded.
        learning_starts_env_steps: before which actions are uniformly random.
        exploration_noise: standard deviation of the noise while exploring, where half the range of an action is 1.
        random_action_fraction: of the actions while exploring, which are uniformly random in place of the policy's.
        target_update_rate: τ, by which the target networks move towards the learned ones at each update.
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
        exploration_noise: Coefficient,
        target_update_rate: Fraction,
        policy_hidden_sizes: list[Annotated[int, Between(1, 65_536)]],
        critic_hidden_sizes: list[Annotated[int, Between(1, 65_536)]],
        normalize_observations: bool = False,
        random_action_fraction: Fraction = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.learning_starts_env_steps, self.exploration_noise = learning_starts_env_steps, exploration_noise
        self.random_action_fraction = random_action_fraction
        self.scale = ActionScale(spec)
        self.normalization = ObservationNormalization(spec, normalize_observations)
        self.policy = DeterministicPolicy(spec, policy_hidden_sizes)
        self.critic = ContinuousCritic(spec, critic_hidden_sizes, num_critics=1)
        self.target_policy = WeightAverage(self.policy, 1.0 - target_update_rate)
        self.target_critic = WeightAverage(self.critic, 1.0 - target_update_rate)

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        check_bounded_actions(cls.__name__, spec)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        action = self.policy(self.normalization(observation))  # [N, D]
        if mode == EXPLORE and self.env_steps < self.learning_starts_env_steps:
            action = (2.0 * torch.rand(action.shape, generator=self.generator(mode)) - 1.0).to(action.device)
        elif mode == EXPLORE:
            noise = torch.randn(action.shape, generator=self.generator(mode)).to(action.device)
            action = noisy_action(action, self.exploration_noise * noise)
            if self.random_action_fraction:
                action = sometimes_random(action, self.random_action_fraction, self.generator(mode))
        return ActorOutput(self.scale.to_environment(action), {})

    def loss(self, minibatch: Minibatch[Transition]) -> LossOutput:
        observation, action, reward, discount, next_observation = minibatch.sample
        observation, next_observation = self.normalization(observation), self.normalization(next_observation)
        with torch.no_grad():
            next_q_values = self.target_critic(next_observation, self.target_policy(next_observation))  # [1, B]
            target = clipped_double_q_target(reward, discount, next_q_values)  # [B]
        q_values = self.critic(observation, self.scale.from_environment(action))  # [1, B]
        td_error = target - q_values.squeeze(0)  # [B]
        critic_loss = (minibatch.weight * half_squared(td_error)).mean()
        policy_loss = -self.critic(observation, self.policy(observation), is_frozen=True).mean()
        metrics = {"critic_loss": critic_loss, "policy_loss": policy_loss, "q_value_mean": q_values.mean()}
        return LossOutput(critic_loss + policy_loss, metrics, priorities=td_error.abs())

    def explain(self, observation: Tensor) -> Explanation:
        observation = self.normalization(observation)
        action = self.policy(observation)  # [T, D]
        std = torch.full_like(action, self.exploration_noise)
        return Explanation(
            value=self.critic(observation, action).squeeze(0),
            action_mean=self.scale.to_environment(action),
            action_std=self.scale.deviation(std),
        )

    def after_update(self) -> None:
        self.target_policy.follow(self.policy, self.updates)
        self.target_critic.follow(self.critic, self.updates)

    def after_turn(self, batch: ReplayBatch) -> None:
        self.normalization.observe(batch.sample.observation)
