"""Quantile regression DQN (QR-DQN): Dabney, Rowland, Bellemare & Munos 2018, "Distributional reinforcement learning
with quantile regression", AAAI.

A network gives, for each action, the quantiles of the return at evenly spread fractions.

Options: `double_q`, `dueling`, `noisy` and those of the data, as of DQN.

Differences from the paper, beside those of DQN numbered 2 to 5, 7 and 8 (Adam is the paper's, the clipped norm is not):
 1. Evaluation acts randomly with probability 0.01 (paper: 0.001).
 2. 50 quantiles (paper: 200).
 3. The learning rate is DQN's, five times the paper's.
 4. With `prioritized`, which the paper has not, the priority of a transition is its loss.
"""

from __future__ import annotations

import copy
from typing import Annotated, Any

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.q_learning import epsilon_greedy
from triptych.functional.quantiles import midpoints, quantile_huber
from triptych.functional.schedules import linear_schedule
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.noisy import draw_noise
from triptych.networks.q_network import QNetwork
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, Transition
from triptych.types.bounds import Between, Coefficient, Count, CountOrZero, Decay, Fraction


class QRDQN(Algorithm):
    """Q-learning with quantiles of returns, replay and a target network.

    Args:
        spec: of the environments; actions must be discrete.
        num_quantiles: for each action.
        huber_limit: κ, up to which errors count as squares; 0 is the plain loss of quantiles.
        double_q: the online network chooses the action whose target quantiles count.
        dueling: the network adds a state's and the actions' quantiles.
        target_update_period_updates: updates between two copies to the target network.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration, linear in env steps.
        eval_epsilon: exploration in evaluation.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        noisy: the linear layers have learned noise, drawn anew for every step and every update.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    fractions: Tensor

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_quantiles: Annotated[int, Between(1, 10_000)],
        huber_limit: Coefficient,
        double_q: bool,
        dueling: bool,
        target_update_period_updates: Count,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        eval_epsilon: Fraction,
        weight_average_decay: Decay,
        noisy: bool = False,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.huber_limit, self.double_q = huber_limit, double_q
        self.target_update_period_updates = target_update_period_updates
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        self.register_buffer("fractions", midpoints(num_quantiles), persistent=False)
        self.online_network = QNetwork(spec, dueling=dueling, num_bins=num_quantiles, noisy=noisy, network=network)
        self.target_network = copy.deepcopy(self.online_network).requires_grad_(False)
        self.average_network = WeightAverage(self.online_network, weight_average_decay)

    @property
    def epsilon(self) -> float:
        """The probability of a random action while exploring, now."""
        return linear_schedule(self.env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_decay_env_steps)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        network = self.online_network if mode == EXPLORE else self.average_network
        if mode == EXPLORE:
            draw_noise(network, self.generator(mode), len(observation))
        q_values = network(observation).mean(dim=-1)  # [N, A]
        epsilon = self.epsilon if mode == EXPLORE else self.eval_epsilon
        return ActorOutput(epsilon_greedy(q_values, epsilon, self.generator(mode)), {})

    def loss(self, minibatch: Minibatch[Transition]) -> LossOutput:
        observation, action, reward, discount, next_observation = minibatch.sample
        batch = torch.arange(len(action), device=action.device)
        for network in (self.online_network, self.target_network):
            draw_noise(network, self.learning_generator)
        with torch.no_grad():
            next_quantiles = self.target_network(next_observation)  # [B, A, Q]
            selector = self.online_network(next_observation) if self.double_q else next_quantiles
            next_action = selector.mean(dim=-1).argmax(dim=-1)
            target = reward[:, None] + discount[:, None] * next_quantiles[batch, next_action]  # [B, Q]
        quantiles = self.online_network(observation)  # [B, A, Q]
        losses = quantile_huber(quantiles[batch, action], self.fractions, target, self.huber_limit)
        metrics: dict[str, Tensor | float] = {"q_value_mean": quantiles.detach().mean(), "epsilon": self.epsilon}
        return LossOutput((minibatch.weight * losses).mean(), metrics, priorities=losses)

    def explain(self, observation: Tensor) -> Explanation:
        quantiles = self.average_network(observation)  # [T, A, Q]
        q_values, probs = quantiles.mean(dim=-1), torch.full_like(quantiles, 1 / quantiles.shape[-1])
        return Explanation(q_values.amax(dim=-1), q_values, atoms=quantiles, atom_probs=probs)

    def after_update(self) -> None:
        if self.updates % self.target_update_period_updates == 0:
            self.target_network.load_state_dict(self.online_network.state_dict())

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.online_network, self.updates)
