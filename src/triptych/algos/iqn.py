"""Implicit quantile networks (IQN): Dabney, Ostrovski, Silver & Munos 2018, "Implicit quantile networks for
distributional reinforcement learning", ICML.

A network gives, for each action, the quantile of the return at any fraction it is asked for; the fractions are drawn.

Options: `noisy` (Fortunato et al. 2018), `munchausen` (Vieillard et al. 2020, M-IQN) and those of the data, as of DQN.

Differences from the paper, beside those of DQN numbered 2 to 5 and 7 (Adam is the paper's, the clipped norm is not):
 1. Evaluation acts randomly with probability 0.01 (paper: 0.001).
 2. 8 fractions are drawn for an update and 8 for its targets (paper: 64).
 3. The quantiles of an update's targets choose their action, too (paper: 32 more).
 4. The learning rate is DQN's, five times the paper's.
 5. With `prioritized`, which the paper has not, the priority of a transition is its loss.
"""

from __future__ import annotations

import copy
from typing import Annotated, Any

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.q_learning import epsilon_greedy, munchausen_bonus, soft_log_policy
from triptych.functional.quantiles import midpoints, quantile_huber
from triptych.functional.schedules import linear_schedule
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.noisy import draw_noise
from triptych.networks.quantile_network import QuantileNetwork
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, Transition
from triptych.types.bounds import Between, Coefficient, Count, CountOrZero, Decay, Fraction, Positive

Draws = Annotated[int, Between(1, 10_000)]


class IQN(Algorithm):
    """Q-learning with quantiles of returns at drawn fractions, replay and a target network.

    Args:
        spec: of the environments; actions must be discrete.
        num_quantiles, num_target_quantiles, num_policy_quantiles: N, N' and K, fractions drawn for the values that an
            update changes, for its targets, and to choose the action of a step.
        num_cosines: that a fraction is embedded by.
        huber_limit: κ, up to which errors count as squares; 0 is the plain loss of quantiles.
        target_update_period_updates: updates between two copies to the target network.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration, linear in env steps.
        eval_epsilon: exploration in evaluation.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        noisy: the linear layers after the fractions have learned noise, drawn anew for every step and every update.
        munchausen: the reward is raised by the policy's own log-probability, and the next state's quantiles are soft.
        munchausen_scale, munchausen_temperature: α and τ of that.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_quantiles: Draws,
        num_target_quantiles: Draws,
        num_policy_quantiles: Draws,
        num_cosines: Draws,
        huber_limit: Coefficient,
        target_update_period_updates: Count,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        eval_epsilon: Fraction,
        weight_average_decay: Decay,
        noisy: bool = False,
        munchausen: bool = False,
        munchausen_scale: Fraction = 0.9,
        munchausen_temperature: Positive = 0.03,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.num_quantiles, self.num_target_quantiles = num_quantiles, num_target_quantiles
        self.num_policy_quantiles, self.huber_limit = num_policy_quantiles, huber_limit
        self.munchausen, self.munchausen_scale = munchausen, munchausen_scale
        self.munchausen_temperature = munchausen_temperature
        self.target_update_period_updates = target_update_period_updates
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        self.online_network = QuantileNetwork(spec, num_cosines=num_cosines, noisy=noisy, network=network)
        self.target_network = copy.deepcopy(self.online_network).requires_grad_(False)
        self.average_network = WeightAverage(self.online_network, weight_average_decay)

    @property
    def epsilon(self) -> float:
        """The probability of a random action while exploring, now."""
        return linear_schedule(self.env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_decay_env_steps)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        network, generator = self.online_network if mode == EXPLORE else self.average_network, self.generator(mode)
        if mode == EXPLORE:
            draw_noise(network, generator, len(observation))
        fractions = self._fractions(len(observation), self.num_policy_quantiles, generator)
        q_values = network(observation, fractions).mean(dim=1)  # [N, A]
        epsilon = self.epsilon if mode == EXPLORE else self.eval_epsilon
        return ActorOutput(epsilon_greedy(q_values, epsilon, generator), {})

    def loss(self, minibatch: Minibatch[Transition]) -> LossOutput:
        observation, action, reward, discount, next_observation = minibatch.sample
        batch = torch.arange(len(action), device=action.device)
        for network in (self.online_network, self.target_network):
            draw_noise(network, self.learning_generator)
        with torch.no_grad():
            next_fractions = self._fractions(len(batch), self.num_target_quantiles, self.learning_generator)
            next_quantiles = self.target_network(next_observation, next_fractions)  # [B, T, A]
            next_q_values = next_quantiles.mean(dim=1)  # [B, A]
            if self.munchausen:
                temperature = self.munchausen_temperature
                log_policy = soft_log_policy(next_q_values, temperature)[:, None]  # [B, 1, A]
                old_q_values = self.target_network(observation, next_fractions).mean(dim=1)
                reward = reward + munchausen_bonus(old_q_values, action, self.munchausen_scale, temperature)
                next_value = (log_policy.exp() * (next_quantiles - temperature * log_policy)).sum(dim=-1)  # [B, T]
            else:
                next_value = next_quantiles[batch, :, next_q_values.argmax(dim=-1)]  # [B, T]
            target = reward[:, None] + discount[:, None] * next_value  # [B, T]
        fractions = self._fractions(len(batch), self.num_quantiles, self.learning_generator)
        quantiles = self.online_network(observation, fractions)[batch, :, action]  # [B, Q]
        losses = quantile_huber(quantiles, fractions, target, self.huber_limit)
        metrics: dict[str, Tensor | float] = {"q_value_mean": quantiles.detach().mean(), "epsilon": self.epsilon}
        return LossOutput((minibatch.weight * losses).mean(), metrics, priorities=losses)

    def explain(self, observation: Tensor) -> Explanation:
        fractions = midpoints(self.num_policy_quantiles).to(self.device).expand(len(observation), -1)
        quantiles = self.average_network(observation, fractions).transpose(1, 2)  # [T, A, Q]
        q_values, probs = quantiles.mean(dim=-1), torch.full_like(quantiles, 1 / quantiles.shape[-1])
        return Explanation(q_values.amax(dim=-1), q_values, atoms=quantiles, atom_probs=probs)

    def after_update(self) -> None:
        if self.updates % self.target_update_period_updates == 0:
            self.target_network.load_state_dict(self.online_network.state_dict())

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.online_network, self.updates)

    def _fractions(self, num_rows: int, num_fractions: int, generator: torch.Generator) -> Tensor:
        return torch.rand((num_rows, num_fractions), generator=generator).to(self.device, non_blocking=True)
