"""MuZero: Schrittwieser et al. 2020, "Mastering Atari, Go, chess and shogi by planning with a learned model",
Nature 588; by default with the search of Danihelka et al. 2022, "Policy improvement by planning with Gumbel", ICLR.

A model predicts rewards, values and policies of the states that actions lead to, and nothing else of the world.
The agent searches in it; the search's policy and value are what the model learns next.

Differences from the Nature paper:
 1. `search=gumbel` is Gumbel MuZero, which improves the policy with any number of simulations; `search=puct` is
    the paper's.
 2. All environments are searched in one batch, by the process that learns; data per update is a number.
 3. Adam instead of SGD with momentum; no weight decay.
 4. The networks are smaller, normalise over each layer instead of over the batch, and start with uniform
    policies and zero rewards and values.
 5. The target network, the value prefix and reanalysis are not here.
 6. A truncated episode keeps the value of the last observation that was searched.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.gradients import scale_gradient
from triptych.functional.returns import n_step_returns
from triptych.functional.schedules import linear_schedule
from triptych.functional.supports import compressed_two_hot, cross_entropy, expand, make_support, scalar_of
from triptych.networks.world_model import make_world_model
from triptych.planning import RecurrentOutput, RootOutput, gumbel_muzero_policy, muzero_policy
from triptych.types import ActorOutput, ConfigurationError, EnvSpec, LossOutput, SegmentMinibatch


class MuZero(Algorithm):
    """Learns a model and plans in it.

    Args:
        spec: of the environments; actions must be discrete.
        num_simulations: model calls per decision; 0 acts by the prior policy.
        search: ``gumbel`` or ``puct``.
        max_num_considered_actions: at the root, with ``gumbel``.
        dirichlet_alpha, dirichlet_fraction: noise in the root's prior while training, with ``puct``.
        temperature_start, temperature_end, temperature_decay_env_steps: of the visit counts, with ``puct``.
        discount: γ, in the search.
        n_step: of the value targets; the data knows it too.
        num_value_bins, num_reward_bins: of the supports, odd.
        representation: see `PictureModel`.
        value_coef, reward_coef: weights of the losses beside the policy's.
        kwargs: see `Algorithm`.
    """

    evaluation_modes = ("", "without_search")
    value_support: Tensor
    reward_support: Tensor

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_simulations: int,
        search: str,
        max_num_considered_actions: int,
        dirichlet_alpha: float,
        dirichlet_fraction: float,
        temperature_start: float,
        temperature_end: float,
        temperature_decay_env_steps: int,
        discount: float,
        n_step: int,
        num_value_bins: int,
        num_reward_bins: int,
        representation: str,
        value_coef: float,
        reward_coef: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.num_simulations, self.search = num_simulations, search
        self.max_num_considered_actions = max_num_considered_actions
        self.dirichlet_alpha, self.dirichlet_fraction = dirichlet_alpha, dirichlet_fraction
        self.temperature_start, self.temperature_end = temperature_start, temperature_end
        self.temperature_decay_env_steps = temperature_decay_env_steps
        self.discount, self.n_step = discount, n_step
        self.value_coef, self.reward_coef = value_coef, reward_coef
        self.num_reward_bins = num_reward_bins
        # Whole numbers around 0, which stand for the scalars that h maps to them.
        for name, num_bins in (("value_support", num_value_bins), ("reward_support", num_reward_bins)):
            self.register_buffer(
                name, make_support(-float(num_bins // 2), float(num_bins // 2), num_bins), persistent=False
            )
        self.model = make_world_model(spec, num_value_bins, num_reward_bins, representation)

    @property
    def temperature(self) -> float:
        """Of the visit counts, now; evaluation takes the most visited action."""
        if not self.training:
            return 0.0
        start, end = self.temperature_start, self.temperature_end
        return linear_schedule(self.env_steps, start, end, self.temperature_decay_env_steps)

    def act(self, observation: Tensor) -> ActorOutput:
        state = self.model.represent(observation)
        policy_logits, value_logits = self.model.predict(state)
        root = RootOutput(policy_logits, scalar_of(value_logits, self.value_support), state)
        num_simulations = 0 if self.evaluation_mode == "without_search" else self.num_simulations
        output = self._policy(root, self._recurrent, num_simulations)
        value = output.search_tree.summary().value
        return ActorOutput(output.action, {"value": value, "action_weights": output.action_weights})

    def loss(self, minibatch: SegmentMinibatch) -> LossOutput:
        segment, weight = minibatch
        self._check_rewards(segment.reward)
        target = n_step_returns(segment.reward, segment.discount, segment.value, self.n_step)  # [B, U + 1]
        unroll_steps = segment.action.shape[1]

        state = self.model.represent(segment.observation[:, 0])
        losses: dict[str, list[Tensor]] = {"policy": [], "value": [], "reward": []}  # each [B]
        for step in range(unroll_steps + 1):
            if step > 0:
                state = scale_gradient(state, 0.5)  # appendix G: at the start of the dynamics function
                state, reward_logits = self.model.step(state, segment.action[:, step - 1])
                was_known = segment.is_known[:, step - 1]
                reward = compressed_two_hot(segment.reward[:, step - 1], self.reward_support)
                losses["reward"].append(was_known * cross_entropy(reward_logits, reward))
            policy_logits, value_logits = self.model.predict(state)
            is_step, is_known = segment.is_step[:, step], segment.is_known[:, step]
            losses["policy"].append(is_step * cross_entropy(policy_logits, segment.action_weights[:, step]))
            value = compressed_two_hot(target[:, step], self.value_support)
            losses["value"].append(is_known * cross_entropy(value_logits, value))
            if step == 0:
                root_value = scalar_of(value_logits.detach(), self.value_support)  # [B]

        # Appendix G: the root counts as much as all unrolled steps together.
        share = 1 / unroll_steps
        policy_loss, value_loss = (
            losses[name][0] + share * torch.stack(losses[name][1:]).sum(dim=0) for name in ("policy", "value")
        )
        reward_loss = share * torch.stack(losses["reward"]).sum(dim=0)
        total = policy_loss + self.value_coef * value_loss + self.reward_coef * reward_loss  # [B]
        metrics: dict[str, Tensor | float] = {
            "policy_loss": policy_loss.mean(),
            "value_loss": value_loss.mean(),
            "reward_loss": reward_loss.mean(),
            "value_mean": root_value.mean(),
            "target_mean": target[:, 0].mean(),
        }
        priorities = (root_value - target[:, 0]).abs()  # appendix G
        return LossOutput((weight * total).mean(), metrics, priorities)

    def _policy(self, root: RootOutput, recurrent: Any, num_simulations: int) -> Any:
        if self.search == "gumbel":
            return gumbel_muzero_policy(
                root,
                recurrent,
                num_simulations,
                max_num_considered_actions=self.max_num_considered_actions,
                gumbel_scale=1.0 if self.training else 0.0,
                generator=self.generator,
            )
        return muzero_policy(
            root,
            recurrent,
            num_simulations,
            dirichlet_alpha=self.dirichlet_alpha,
            dirichlet_fraction=self.dirichlet_fraction if self.training else 0.0,
            temperature=self.temperature,
            generator=self.generator,
        )

    def _recurrent(self, action: Tensor, state: Tensor) -> tuple[RecurrentOutput, Tensor]:
        next_state, reward_logits = self.model.step(state, action)
        policy_logits, value_logits = self.model.predict(next_state)
        reward, value = scalar_of(reward_logits, self.reward_support), scalar_of(value_logits, self.value_support)
        return RecurrentOutput(reward, torch.full_like(reward, self.discount), policy_logits, value), next_state

    def _check_rewards(self, reward: Tensor) -> None:
        if self.updates > 0:
            return
        limit = float(expand(self.reward_support[-1]))
        if float(reward.abs().max()) > limit:
            raise ConfigurationError(
                f"algo.num_reward_bins={self.num_reward_bins} holds rewards up to {limit:.4g}, but those seen so far "
                f"run from {float(reward.min()):.4g} to {float(reward.max()):.4g}; choose more bins."
            )
