"""Self-predictive representations (SPR): Schwarzer, Anand, Goel, Hjelm, Courville & Bachman 2021, "Data-efficient
reinforcement learning with self-predictive representations", ICLR.

Rainbow, whose features must foretell their own future: from what is seen and the next actions it imagines the features
of the next K observations, and they must be alike to those of what was then seen.

Options: `double_q`, `dueling`, `noisy`, `prioritized`, as of C51.

Differences from the paper, beside those of C51 and DQN 7:
 1. The torso is the Nature network for images from 36 pixels, with 512 hidden units (paper: 256).
 2. What was seen is projected by the online network itself, taken as given (as the paper with augmentation, τ = 0).
 3. Every env step earns one update (paper: two).
 4. Features are scaled to [0, 1] for the prediction alone (paper: for the values, too).
 5. Between the convolutions that imagine a step a sample is normalised by itself (the authors' code: over the batch).
"""

from __future__ import annotations

import copy
import math
from typing import Annotated, Any, cast

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.augmentation import augment
from triptych.functional.losses import cross_entropy, divergence
from triptych.functional.q_learning import epsilon_greedy
from triptych.functional.schedules import linear_schedule
from triptych.functional.supports import categorical_projection, expectation, make_support
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network
from triptych.networks.latent_model import LatentModel, feature_map, project
from triptych.networks.noisy import draw_noise
from triptych.networks.q_network import QNetwork
from triptych.networks.torsos import ConvolutionalTorso
from triptych.types import (
    EXPLORE,
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    Explanation,
    Extras,
    LossOutput,
    Minibatch,
    Segment,
)
from triptych.types.bounds import AtLeast, Between, Coefficient, Count, CountOrZero, Decay, Fraction


class SPR(Algorithm):
    """C51 on segments of episodes, with the prediction of its own features.

    Args:
        spec: of the environments; observations must be images, actions discrete.
        num_bins, support_limit: of the distributions of returns, see `C51`.
        n_step: of the targets.
        unroll_steps: K, steps foretold.
        num_observations: of a segment, as the data knows it; at least ``n_step`` + 1 and ``unroll_steps`` + 1.
        prediction_coef: λ, the weight of the prediction beside the loss of C51.
        augmentation: shift images, where they are seen without a mask, and change their intensity when they are learned
            from.
        The rest: see `C51`.

    Raises:
        ConfigurationError: observations are no images, or segments carry too few of them.
    """

    support: Tensor
    largest_reward = largest_value = math.inf  # of what segments may hold

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_bins: Annotated[int, Between(2, 10_001)],
        support_limit: Annotated[float, AtLeast(1e-3)],
        n_step: Annotated[int, Between(1, 255)],
        unroll_steps: Count,
        num_observations: Count,
        prediction_coef: Coefficient,
        augmentation: bool,
        double_q: bool,
        dueling: bool,
        target_update_period_updates: Count,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        eval_epsilon: Fraction,
        weight_average_decay: Decay,
        noisy: bool = False,
        network: Network | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        if num_observations <= max(n_step, unroll_steps):
            raise ConfigurationError(
                f"algo.num_observations={num_observations} does not fit: with algo.n_step={n_step} and "
                f"algo.unroll_steps={unroll_steps} a segment carries {max(n_step, unroll_steps) + 1}."
            )
        self.n_step, self.unroll_steps, self.prediction_coef = n_step, unroll_steps, prediction_coef
        self.augmentation, self.double_q = augmentation, double_q
        self.target_update_period_updates = target_update_period_updates
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        self.register_buffer("support", make_support(-support_limit, support_limit, num_bins), persistent=False)
        self.online_network = QNetwork(spec, dueling=dueling, num_bins=num_bins, noisy=noisy, network=network)
        torso = self.online_network.torso
        if not isinstance(torso, ConvolutionalTorso):
            raise ConfigurationError(
                f"algo: SPR foretells what convolutions make of images, but has none for env={spec.name}; choose "
                "an env with images and a torso with convolutions, or algo=rainbow."
            )
        self.target_network = copy.deepcopy(self.online_network).requires_grad_(False)
        self.average_network = WeightAverage(self.online_network, weight_average_decay)
        assert spec.num_actions is not None
        self.latent_model = LatentModel(torso, spec.observation_shape, spec.num_actions)

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
        # Segments hold what a search says; here there is none, and nothing is learned from these two.
        unsaid: Extras = {"value": q_values.amax(dim=-1), "action_weights": torch.zeros_like(q_values)}
        return ActorOutput(epsilon_greedy(q_values, epsilon, self.generator(mode)), unsaid)

    def loss(self, minibatch: Minibatch[Segment]) -> LossOutput:
        segment, weight = minibatch
        batch = torch.arange(len(weight), device=weight.device)
        for network in (self.online_network, self.target_network):
            draw_noise(network, self.learning_generator)
        seen = segment.observation  # [B, O, C, H, W]
        if self.augmentation:
            seen = augment(seen.flatten(0, 1), self.learning_generator).view_as(seen)
        with torch.no_grad():
            # What came within n steps, and what follows; after an end there is no reward, after termination nothing.
            begin = torch.ones_like(weight)[:, None]
            discount = torch.cat([begin, segment.discount[:, : self.n_step]], dim=1).cumprod(dim=1)  # [B, n + 1]
            reward = (discount[:, :-1] * segment.reward[:, : self.n_step]).sum(dim=1)  # [B]
            next_logits = self.target_network(seen[:, self.n_step])  # [B, A, S]
            selector = self.online_network(seen[:, self.n_step]) if self.double_q else next_logits
            next_probs = next_logits[batch, self._q_values(selector).argmax(dim=-1)].softmax(dim=-1)
            target = categorical_projection(reward, discount[:, -1], next_probs, self.support)  # [B, S]
        torso, action = cast(ConvolutionalTorso, self.online_network.torso), segment.action
        state = feature_map(torso, seen[:, 0])  # [B, C, H, W]
        logits = self.online_network(seen[:, 0])  # [B, A, S]
        losses = cross_entropy(logits[batch, action[:, 0]], target)

        with torch.no_grad():
            later = seen[:, 1 : self.unroll_steps + 1]
            projected = project(torso, feature_map(torso, later.flatten(0, 1))).unflatten(0, later.shape[:2])
        likeness = torch.zeros_like(losses)
        for step in range(self.unroll_steps):
            state = self.latent_model.step(state, action[:, step])
            alike = self.latent_model.likeness(torso, state, projected[:, step])
            likeness = likeness + segment.is_step[:, step + 1] * alike / self.unroll_steps
        q_values = self._q_values(logits.detach())
        metrics: dict[str, Tensor | float] = {
            "q_value_mean": q_values.mean(),
            "likeness": likeness.detach().mean(),
            "epsilon": self.epsilon,
        }
        loss = (weight * (losses - self.prediction_coef * self.unroll_steps * likeness)).mean()
        priorities = divergence(logits[batch, action[:, 0]].detach(), target)
        return LossOutput(loss, metrics, priorities=priorities)

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
