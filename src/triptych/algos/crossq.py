"""CrossQ: Bhatt et al. 2024, ICLR, "Batch normalization in deep reinforcement learning for greater sample efficiency".

It is SAC without target networks: states and next states go through the critics as one batch, which is renormalised
(Ioffe 2017), and the critics are wide.

Differences from the paper:
 1. Hidden layers of the critics have 512 units (paper: 2048), which one core can bear; `algo.critic_hidden_sizes`.
 2. Critics, policy and temperature learn from the parameters before an update (authors' code: the policy from the
    critics after it).
 3. Initial weights are those of PyTorch's layers (authors' code: LeCun's normal ones), 0.6 times as large.
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
from triptych.networks.continuous_critic import ContinuousCritic
from triptych.networks.continuous_policy import SquashedGaussianPolicy
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, Transition
from triptych.types.bounds import Between, Count, CountOrZero, Positive


class CrossQ(Algorithm):
    """A stochastic policy that seeks value and entropy, and two wide critics, normalised by batches and without a copy.

    Actions are numbers from -1 to 1 here and in the critics; what is played and remembered is in the environment's
    units.

    Args:
        spec: of the environments; actions must be continuous and bounded.
        learning_starts_env_steps: before which actions are uniformly random.
        policy_period_updates: updates of the critics for one of the policy and the temperature.
        renormalization_warmup_updates: before which batches are normalised without correction, of the critics; of the
            policy as many of its own updates.
        adam_decay: β₁ of Adam for policy and critics; for the temperature it is 0.9.
        initial_temperature: α at the start, the worth of a unit of entropy.
        target_entropy_per_action: to which α brings the policy's entropy, for each number of an action, from -1 to 1.
        policy_hidden_sizes, critic_hidden_sizes: units of the hidden layers.
        kwargs: see `Algorithm`.
    """

    needs_discrete_actions = False
    uses_all_parameters = False
    learns_in_one_process = True  # the statistics of batches are those of one process

    def __init__(
        self,
        spec: EnvSpec,
        *,
        learning_starts_env_steps: CountOrZero,
        policy_period_updates: Count,
        renormalization_warmup_updates: CountOrZero,
        adam_decay: Annotated[float, Between(0, 0.999)],
        initial_temperature: Positive,
        target_entropy_per_action: Annotated[float, Between(-100, 1)],
        policy_hidden_sizes: list[Annotated[int, Between(1, 65_536)]],
        critic_hidden_sizes: list[Annotated[int, Between(1, 65_536)]],
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.learning_starts_env_steps, self.adam_decay = learning_starts_env_steps, adam_decay
        self.policy_period_updates = policy_period_updates
        self.target_entropy = target_entropy_per_action * math.prod(spec.action_shape)
        self.scale = ActionScale(spec)
        warmup = renormalization_warmup_updates
        self.policy = SquashedGaussianPolicy(spec, policy_hidden_sizes, warmup)
        self.critic = ContinuousCritic(spec, critic_hidden_sizes, num_critics=2, renormalization_warmup_updates=warmup)
        self.log_temperature = torch.nn.Parameter(torch.tensor(math.log(initial_temperature)))

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        check_bounded_actions(cls.__name__, spec)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        mean, log_std = self.policy(observation)  # [N, D]
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
        action = self.scale.from_environment(action)  # [B, D]
        drawn = torch.randn((2, *action.shape), generator=self.learning_generator)
        next_noise, noise = drawn.to(action.device, non_blocking=True)
        temperature = self.log_temperature.detach().exp()
        with torch.no_grad():
            mean, log_std = self.policy(next_observation)
            next_action, next_log_prob = squashed_gaussian(mean, log_std, next_noise)
        both, actions = torch.cat((observation, next_observation)), torch.cat((action, next_action))
        q_values, next_q_values = self.critic(both, actions, is_batch=True).chunk(2, dim=-1)  # each [2, B]
        next_value = next_q_values.detach() - temperature * next_log_prob
        td_error = clipped_double_q_target(reward, discount, next_value) - q_values
        critic_loss = (minibatch.weight * half_squared(td_error.flatten()).view_as(q_values).sum(dim=0)).mean()
        metrics = {"critic_loss": critic_loss, "temperature": temperature, "q_value_mean": q_values.mean()}
        loss = critic_loss
        if (self.updates + 1) % self.policy_period_updates == 0:  # otherwise without a gradient, and Adam leaves them
            mean, log_std = self.policy(observation, is_batch=True)
            new_action, log_prob = squashed_gaussian(mean, log_std, noise)
            new_value = self.critic(observation, new_action, is_frozen=True).amin(dim=0)  # [B]
            policy_loss = (temperature * log_prob - new_value).mean()
            loss = loss + policy_loss + temperature_losses(self.log_temperature, log_prob, self.target_entropy).mean()
            metrics |= {"policy_loss": policy_loss, "entropy": -log_prob.mean()}
        return LossOutput(loss, metrics, priorities=td_error.abs().mean(dim=0))

    def explain(self, observation: Tensor) -> Explanation:
        mean, log_std = self.policy(observation)  # [T, D]
        action = mean.tanh()
        return Explanation(
            value=self.critic(observation, action).amin(dim=0),
            action_mean=self.scale.to_environment(action),
            action_std=self.scale.deviation((1.0 - action.square()) * log_std.exp()),  # to first order
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        networks = [*self.policy.parameters(), *self.critic.parameters()]
        groups: list[dict[str, Any]] = [{"params": networks, "betas": (self.adam_decay, 0.999)}]
        groups.append({"params": [self.log_temperature]})
        return torch.optim.Adam(groups, lr=self.learning_rate, eps=self.adam_epsilon, fused=True)
