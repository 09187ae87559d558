"""Proximal policy optimization: Schulman et al. 2017, arXiv 1707.06347, with the clipped surrogate objective.

Options: `value_clip_range` keeps the critic near the one that acted, as the authors' code does. `magnet_coef` draws
the policy to its own slow average: magnetic mirror descent of Sokota et al. 2023, arXiv 2206.05825, whose magnet moves,
with the clipped objective in place of their KL to the last policy.

Differences from the paper:
 1. Advantages are brought to mean 0 and variance 1 in each minibatch, as in the authors' code.
 2. The gradient norm is clipped to 0.5, as in the authors' code.
 3. On Atari minibatches hold 64 steps (table 5: 256) and the learning rate starts at 5e-4 (2.5e-4). It falls
    over a horizon of its own, and the clip range stays (table 5: both fall to 0 with the budget).
 4. A truncated episode keeps the value of its last observation.
 5. The standard deviation of continuous actions starts at half their range, or what `initial_std` says.
 6. The critic's loss is a quarter of the squared error: half of the halved one (paper: the whole).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from triptych import ranks
from triptych.algos.base import Algorithm
from triptych.functional.distributions import described
from triptych.functional.losses import half_squared
from triptych.functional.policy_gradient import (
    approximate_kl,
    clipped_surrogate_losses,
    clipped_value_losses,
    sample,
    standardize,
)
from triptych.functional.returns import generalized_advantages, successor_values
from triptych.functional.schedules import linear_schedule
from triptych.networks.actor_critic import ActorCritic
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.types import (
    EXPLORE,
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    Explanation,
    LossOutput,
    Rollout,
    RolloutSteps,
)
from triptych.types.bounds import Coefficient, CountOrZero, Decay, Fraction, Positive


class PPO(Algorithm):
    """A policy that follows its critic's advantages, but not far from where they were seen.

    Args:
        spec: of the environments.
        gae_lambda: λ of the advantages; 1 for the n-step return, n up to the end of the rollout.
        clip_range: how far the policy's ratio may leave 1.
        value_clip_range: how far the value may leave the one that acted; ``None`` for as far as it likes.
        value_coef, entropy_coef: weights of the critic's loss and of the entropy bonus, beside advantages that are
            brought to variance 1: where returns spread more, the same bonus holds the policy more.
        entropy_coef_end, entropy_coef_decay_env_steps: the bonus falls to this weight, linearly; ``None`` keeps it.
        weight_average_decay: per update, of the average of the weights that plays evaluations; 0 for none.
        magnet_coef: weight of KL(π, π_average), the policy's distance from that average.
        normalize_observations: see `ActorCritic`.
        eval_greedy: evaluate the likeliest action instead of a drawn one.
        initial_std: of continuous actions, in halves of their range.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.

    Raises:
        ConfigurationError: ``magnet_coef`` without an average of the weights.
    """

    needs_discrete_actions = False
    respects_masks = True

    def __init__(
        self,
        spec: EnvSpec,
        *,
        gae_lambda: Fraction,
        clip_range: Positive,
        value_clip_range: Positive | None,
        value_coef: Coefficient,
        entropy_coef: Coefficient,
        normalize_observations: bool,
        eval_greedy: bool,
        entropy_coef_end: Coefficient | None = None,
        entropy_coef_decay_env_steps: CountOrZero = 0,
        weight_average_decay: Decay = 0.0,
        magnet_coef: Coefficient = 0.0,
        initial_std: Positive = 1.0,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        if magnet_coef and not weight_average_decay:
            raise ConfigurationError(
                f"algo.magnet_coef={magnet_coef} draws the policy to the average of its weights, and there is none; "
                "set algo.weight_average_decay=0.999 as well, or algo.magnet_coef=0."
            )
        super().__init__(spec, **kwargs)
        self.gae_lambda, self.value_coef, self.entropy_coef = gae_lambda, value_coef, entropy_coef
        self.clip_range, self.value_clip_range = clip_range, value_clip_range
        if entropy_coef_end is not None and not entropy_coef_decay_env_steps:
            raise ConfigurationError(
                f"algo.entropy_coef_end={entropy_coef_end:g} needs algo.entropy_coef_decay_env_steps, the env steps "
                "after which the bonus is as small; give both or neither."
            )
        self.entropy_coef_end = entropy_coef if entropy_coef_end is None else entropy_coef_end
        self.entropy_coef_decay_env_steps, self.eval_greedy = entropy_coef_decay_env_steps, eval_greedy
        self.network = ActorCritic(
            spec, normalize_observations=normalize_observations, network=network, initial_std=initial_std
        )
        self.average_network = WeightAverage(self.network, weight_average_decay) if weight_average_decay else None
        self.magnet_coef = magnet_coef

    @property
    def entropy_coef_now(self) -> float:
        """The weight of the entropy bonus, now."""
        start, end = self.entropy_coef, self.entropy_coef_end
        return linear_schedule(self.env_steps, start, end, self.entropy_coef_decay_env_steps)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        network = self.network if mode == EXPLORE or self.average_network is None else self.average_network
        policy, value = network(observation)
        is_greedy = self.eval_greedy and mode != EXPLORE
        action = policy.mode if is_greedy else sample(policy, self.generator(mode))
        return ActorOutput(action, {"value": value, "log_prob": policy.log_prob(action)})

    def targets(self, rollout: Rollout) -> RolloutSteps:
        value = rollout.extras["value"]  # [T, N]
        _, bootstrap_value = self.network(rollout.next_observation[rollout.is_cut])
        next_value = successor_values(value, rollout.is_cut, bootstrap_value)
        advantage, returns = generalized_advantages(
            rollout.reward, rollout.discount, value, next_value, rollout.is_cut, self.gae_lambda
        )
        return rollout.steps(target=returns, advantage=advantage)

    def loss(self, minibatch: RolloutSteps) -> LossOutput:
        policy, value = self.network(minibatch.observation)
        log_ratio = policy.log_prob(minibatch.action) - minibatch.extras["log_prob"]  # [B]
        advantage = standardize(minibatch.advantage, ranks.concatenate(minibatch.advantage))
        policy_loss = clipped_surrogate_losses(log_ratio, advantage, self.clip_range).mean()
        if self.value_clip_range is None:
            value_loss = half_squared(minibatch.target - value).mean()
        else:
            old_value = minibatch.extras["value"]
            value_loss = clipped_value_losses(value, old_value, minibatch.target, self.value_clip_range).mean()
        entropy = policy.entropy().mean()
        loss = policy_loss + self.value_coef * value_loss - self.entropy_coef_now * entropy
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "value_mean": value.mean(),
            "approximate_kl": approximate_kl(log_ratio),
            "clip_fraction": (log_ratio.expm1().abs() > self.clip_range).float().mean(),
        }
        if self.magnet_coef and self.average_network is not None:
            with torch.no_grad():
                magnet, _ = self.average_network(minibatch.observation)
            metrics["magnet_kl"] = kl_divergence(policy, magnet).mean()
            loss = loss + self.magnet_coef * metrics["magnet_kl"]
        return LossOutput(loss, metrics)

    def explain(self, observation: Tensor) -> Explanation:
        policy, value = (self.average_network or self.network)(observation)
        return Explanation(value=value, **described(policy))

    def after_turn(self, batch: Rollout) -> None:
        self.network.observe(batch.observation)
        if self.average_network is not None:
            self.average_network.follow(self.network, self.updates)
