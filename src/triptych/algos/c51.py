"""Categorical DQN (C51): Bellemare, Dabney & Munos 2017, "A distributional perspective on reinforcement learning",
ICML.

A network gives, for each action, not the expected return but its distribution over the points of a support.

Options: `double_q`, `dueling`, `noisy` and those of the data, as of DQN. All of them with three-step targets are
Rainbow (Hessel et al. 2018).

Differences from the paper, beside those of DQN numbered 2 to 5, 7 and 8 (Adam is the paper's, the clipped norm is not):
 1. Evaluation acts randomly with probability 0.01 (paper: 0.001).
 2. With `prioritized`, which the paper has not, the priority of a transition is the divergence from its target, as in
    Rainbow.
"""

from __future__ import annotations

import copy
from typing import Annotated, Any

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.augmentation import augment
from triptych.functional.losses import cross_entropy, divergence
from triptych.functional.q_learning import epsilon_greedy
from triptych.functional.schedules import linear_schedule
from triptych.functional.supports import categorical_projection, expectation, make_support
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.noisy import draw_noise
from triptych.networks.q_network import QNetwork
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, Transition
from triptych.types.bounds import AtLeast, Between, Count, CountOrZero, Decay, Fraction


class C51(Algorithm):
    """Q-learning with distributions of returns, replay and a target network.

    Args:
        spec: of the environments; actions must be discrete.
        num_bins: points of the support.
        support_limit: the points lie between ± this; returns beyond count as the end.
        double_q: the online network chooses the action whose target distribution counts.
        dueling: the network adds a state's and the actions' logits.
        target_update_period_updates: updates between two copies to the target network.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration, linear in env steps.
        eval_epsilon: exploration in evaluation.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        noisy: the linear layers have learned noise, drawn anew for every step and every update.
        augmentation: shift images, where they are seen without a mask, and change their intensity when they are learned
            from.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    support: Tensor

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_bins: Annotated[int, Between(2, 10_001)],
        support_limit: Annotated[float, AtLeast(1e-3)],
        double_q: bool,
        dueling: bool,
        target_update_period_updates: Count,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        eval_epsilon: Fraction,
        weight_average_decay: Decay,
        noisy: bool = False,
        augmentation: bool = False,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.double_q = double_q
        self.augmentation = augmentation and spec.is_image
        self.target_update_period_updates = target_update_period_updates
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        self.largest_return = support_limit  # the data checks what it stores: returns beyond would all look the same
        self.register_buffer("support", make_support(-support_limit, support_limit, num_bins), persistent=False)
        self.online_network = QNetwork(spec, dueling=dueling, num_bins=num_bins, noisy=noisy, network=network)
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
        q_values = self._q_values(network(observation))  # [N, A]
        epsilon = self.epsilon if mode == EXPLORE else self.eval_epsilon
        return ActorOutput(epsilon_greedy(q_values, epsilon, self.generator(mode)), {})

    def loss(self, minibatch: Minibatch[Transition]) -> LossOutput:
        observation, action, reward, discount, next_observation = minibatch.sample
        batch = torch.arange(len(action), device=action.device)
        for network in (self.online_network, self.target_network):
            draw_noise(network, self.learning_generator)
        if self.augmentation:
            observation, next_observation = (
                augment(images, self.learning_generator) for images in (observation, next_observation)
            )
        with torch.no_grad():
            next_logits = self.target_network(next_observation)  # [B, A, S]
            selector = self.online_network(next_observation) if self.double_q else next_logits
            next_action = self._q_values(selector).argmax(dim=-1)
            next_probs = next_logits[batch, next_action].softmax(dim=-1)
            target = categorical_projection(reward, discount, next_probs, self.support)  # [B, S]
        logits = self.online_network(observation)  # [B, A, S]
        losses = cross_entropy(logits[batch, action], target)
        probs = logits.detach().softmax(dim=-1)
        metrics: dict[str, Tensor | float] = {
            "q_value_mean": expectation(probs, self.support).mean(),
            "support_end_mass": (probs[..., 0] + probs[..., -1]).mean(),  # much of it: the support is too short
            "epsilon": self.epsilon,
        }
        priorities = divergence(logits[batch, action].detach(), target)
        return LossOutput((minibatch.weight * losses).mean(), metrics, priorities=priorities)

    def explain(self, observation: Tensor) -> Explanation:
        probs = self.average_network(observation).softmax(dim=-1)  # [T, A, S]
        q_values = expectation(probs, self.support)
        return Explanation(q_values.amax(dim=-1), q_values, atoms=self.support, atom_probs=probs)

    def after_update(self) -> None:
        if self.updates % self.target_update_period_updates == 0:
            self.target_network.load_state_dict(self.online_network.state_dict())

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.online_network, self.updates)

    def _q_values(self, logits: Tensor) -> Tensor:
        """Return the expected returns ``[B, A]`` of distributions ``[B, A, S]``."""
        return expectation(logits.softmax(dim=-1), self.support)
