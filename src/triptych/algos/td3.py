"""Twin delayed deterministic policy gradient: Fujimoto et al. 2018, arXiv 1802.09477.

Differences from the paper:
 1. Hidden layers have 256 units, the learning rate is 3e-4 and batches hold 256, as in the authors' later code (paper:
    400 and 300 units, 1e-3 and 100).
 2. In a delayed update the policy learns from the critics before it (paper: after it).
 3. The first 5,000 actions are uniformly random (paper: 10,000 on HalfCheetah and Ant, else 1,000).
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
from triptych.types.bounds import Between, Coefficient, Count, CountOrZero, Fraction


class TD3(Algorithm):
    """A deterministic policy and two critics, the smaller of which counts in targets.

    Actions are numbers from -1 to 1 here and in the critics; what is played and remembered is in the environment's
    units.

    Args:
        spec: of the environments; actions must be continuous and bounded.
        learning_starts_env_steps: before which actions are uniformly random.
        exploration_noise: standard deviation of the noise while exploring, where half the range of an action is 1.
        random_action_fraction: of the actions while exploring, which are uniformly random in place of the policy's.
        target_noise, target_noise_clip: of the noise in the next action of a target, and how far it may go.
        policy_period_updates: d, updates of the critics for one of the policy and of the target networks.
        target_update_rate: τ, by which the target networks then move towards the learned ones.
        policy_hidden_sizes, critic_hidden_sizes: units of the hidden layers.
        normalize_observations: bring them to mean 0 and variance 1, as seen in minibatches so far.
        kwargs: see `Algorithm`.
    """

    needs_discrete_actions = False
    uses_all_parameters = False

    def __init__(
        self,
        spec: EnvSpec,
        *,
        learning_starts_env_steps: CountOrZero,
        exploration_noise: Coefficient,
        target_noise: Coefficient,
        target_noise_clip: Coefficient,
        policy_period_updates: Count,
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
        self.target_noise, self.target_noise_clip = target_noise, target_noise_clip
        self.policy_period_updates = policy_period_updates
        self.scale = ActionScale(spec)
        self.normalization = ObservationNormalization(spec, normalize_observations)
        self.policy = DeterministicPolicy(spec, policy_hidden_sizes)
        self.critic = ContinuousCritic(spec, critic_hidden_sizes, num_critics=2)
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
        action = self.scale.from_environment(action)  # [B, D]
        noise = torch.randn(action.shape, generator=self.learning_generator).to(action.device, non_blocking=True)
        with torch.no_grad():
            next_action = self.target_policy(next_observation)
            next_action = noisy_action(next_action, self.target_noise * noise, self.target_noise_clip)
            target = clipped_double_q_target(reward, discount, self.target_critic(next_observation, next_action))  # [B]
        q_values = self.critic(observation, action)  # [2, B]
        td_error = target - q_values
        critic_loss = (minibatch.weight * half_squared(td_error.flatten()).view_as(q_values).sum(dim=0)).mean()
        loss, metrics = critic_loss, {"critic_loss": critic_loss, "q_value_mean": q_values.mean()}
        if self._is_policy_update(self.updates + 1):  # otherwise its parameters have no gradient, and Adam leaves them
            policy_loss = -self.critic(observation, self.policy(observation), is_frozen=True)[0].mean()
            loss, metrics["policy_loss"] = loss + policy_loss, policy_loss
        return LossOutput(loss, metrics, priorities=td_error.abs().mean(dim=0))

    def explain(self, observation: Tensor) -> Explanation:
        observation = self.normalization(observation)
        action = self.policy(observation)  # [T, D]
        std = torch.full_like(action, self.exploration_noise)
        return Explanation(
            value=self.critic(observation, action).amin(dim=0),
            action_mean=self.scale.to_environment(action),
            action_std=self.scale.deviation(std),
        )

    def after_update(self) -> None:
        if self._is_policy_update(self.updates):
            moves = self.updates // self.policy_period_updates
            self.target_policy.follow(self.policy, moves)
            self.target_critic.follow(self.critic, moves)

    def after_turn(self, batch: ReplayBatch) -> None:
        self.normalization.observe(batch.sample.observation)

    def _is_policy_update(self, update: int) -> bool:
        return update % self.policy_period_updates == 0
