"""MuZero: Schrittwieser et al. 2020, "Mastering Atari, Go, chess and shogi by planning with a learned model",
Nature 588; by default with the search of Danihelka et al. 2022, "Policy improvement by planning with Gumbel", ICLR.

A model predicts rewards, values and policies of the states that actions lead to, and nothing else of the world.
The agent searches in it; the search's policy and value are what the model learns next.

Options that make it EfficientZero (Ye et al. 2021, "Mastering Atari games with limited data", NeurIPS):
`consistency_coef`, `value_prefix`, `reanalyse_fraction` and `augmentation`.

Differences from the Nature paper:
 1. `search=gumbel` is Gumbel MuZero, which improves the policy with any number of simulations; `search=puct` is
    the paper's.
 2. All environments are searched in one batch, by the process that learns; data per update is a number.
 3. Adam instead of SGD with momentum; no weight decay.
 4. The networks are smaller, normalise over each layer instead of over the batch, and start with uniform
    policies and zero rewards and values.
 5. A truncated episode keeps the value of the last observation that was searched.
 6. Reanalysis (EfficientZero) searches with the network as it is, not with an older copy of it, and replaces the
    stored values by those of the new searches instead of shortening the returns of old episodes.
 7. PUCT scales Q by the extremes among a node and its children, the paper by those of the whole tree.
 8. On Atari, by the protocol: 4 grey frames of 84x84 (paper: 32 in colour of 96x96, and the actions between them),
    and rewards clipped to their sign beside the transform h.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.augmentation import random_intensity, random_shift
from triptych.functional.gradients import scale_gradient
from triptych.functional.returns import n_step_returns
from triptych.functional.schedules import linear_schedule
from triptych.functional.supports import compressed_two_hot, cross_entropy, expand, make_support, scalar_of
from triptych.networks.world_model import Projection, make_world_model
from triptych.planning import PolicyOutput, RecurrentOutput, RootOutput, gumbel_muzero_policy, muzero_policy
from triptych.types import (
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    LossOutput,
    Segment,
    SegmentBatch,
    SegmentMinibatch,
)

State = tuple[Tensor, ...]  # of the search: features, the reward head's memory, and with it the prefix and its age


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
        unroll_steps, n_step, num_observations: of the segments, as the data knows them.
        value_support_limit, num_value_bins: the support of values has so many bins between ±limit, after the
            transform h. reward_support_limit, num_reward_bins: likewise, of rewards.
        representation: see `PictureModel`.
        value_coef, reward_coef, consistency_coef: weights of the losses beside the policy's.
        value_prefix: learn sums of rewards over the unrolled steps instead of each reward.
        reanalyse_fraction: share of the segments that are searched again when they are learned from.
        augmentation: shift images and change their intensity when they are learned from.
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
        unroll_steps: int,
        n_step: int,
        num_observations: int,
        value_support_limit: float,
        num_value_bins: int,
        reward_support_limit: float,
        num_reward_bins: int,
        representation: str,
        value_coef: float,
        reward_coef: float,
        consistency_coef: float,
        value_prefix: bool,
        reanalyse_fraction: float,
        augmentation: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.num_simulations, self.search = num_simulations, search
        self.max_num_considered_actions = max_num_considered_actions
        self.dirichlet_alpha, self.dirichlet_fraction = dirichlet_alpha, dirichlet_fraction
        self.temperature_start, self.temperature_end = temperature_start, temperature_end
        self.temperature_decay_env_steps = temperature_decay_env_steps
        self.discount, self.unroll_steps, self.n_step = discount, unroll_steps, n_step
        self.value_coef, self.reward_coef, self.consistency_coef = value_coef, reward_coef, consistency_coef
        self.has_value_prefix, self.reanalyse_fraction = value_prefix, reanalyse_fraction
        self.has_augmentation = augmentation and spec.is_image
        needed = unroll_steps + n_step + 1 if reanalyse_fraction else unroll_steps + 1 if consistency_coef else 1
        if not needed <= num_observations <= unroll_steps + n_step + 1:
            raise ConfigurationError(
                f"algo.num_observations={num_observations} does not fit: with algo.consistency_coef="
                f"{consistency_coef:g} and algo.reanalyse_fraction={reanalyse_fraction:g} a segment carries {needed}."
            )
        # Evenly spaced points, which stand for the scalars that h maps to them.
        value_support = make_support(-float(value_support_limit), float(value_support_limit), num_value_bins)
        reward_support = make_support(-float(reward_support_limit), float(reward_support_limit), num_reward_bins)
        self.register_buffer("value_support", value_support, persistent=False)
        self.register_buffer("reward_support", reward_support, persistent=False)
        self.value_support_limit, self.reward_support_limit = float(value_support_limit), float(reward_support_limit)
        self.model = make_world_model(spec, num_value_bins, num_reward_bins, value_prefix, representation)
        self.projection = Projection(self.model.state_size) if consistency_coef else None

    @property
    def temperature(self) -> float:
        """Of the visit counts, now; evaluation takes the most visited action."""
        if not self.training:
            return 0.0
        start, end = self.temperature_start, self.temperature_end
        return linear_schedule(self.env_steps, start, end, self.temperature_decay_env_steps)

    def act(self, observation: Tensor) -> ActorOutput:
        output = self.plan(observation, 0 if self.evaluation_mode == "without_search" else self.num_simulations)
        value = output.search_tree.summary().value
        return ActorOutput(output.action, {"value": value, "action_weights": output.action_weights})

    def loss(self, minibatch: SegmentMinibatch) -> LossOutput:
        segment, weight = minibatch
        segment = self._prepare(segment)
        target = n_step_returns(segment.reward, segment.discount, segment.value, self.n_step)  # [B, U + 1]
        reward = segment.reward[:, : self.unroll_steps]
        if self.has_value_prefix:
            reward = reward.cumsum(dim=1)
        reward_target = compressed_two_hot(reward, self.reward_support)
        value_target = compressed_two_hot(target, self.value_support)  # [B, U + 1, S]

        features = self.model.represent(segment.observation[:, 0])
        seen = self._see(segment) if self.projection is not None else None
        memory = self.model.reward.initial_memory(features)
        losses: dict[str, list[Tensor]] = {
            name: [] for name in ("policy", "value", "reward", "consistency")
        }  # each [B]
        for step in range(self.unroll_steps + 1):
            is_step, is_known = segment.is_step[:, step], segment.is_known[:, step]
            if step > 0:
                features = scale_gradient(features, 0.5)  # appendix G: at the start of the dynamics function
                features, reward_features = self.model.step(features, segment.action[:, step - 1])
                reward_logits, memory = self.model.reward(reward_features, memory)
                was_known = segment.is_known[:, step - 1]
                losses["reward"].append(was_known * cross_entropy(reward_logits, reward_target[:, step - 1]))
                if self.projection is not None and seen is not None:
                    losses["consistency"].append(-(is_step * self.projection(features, seen[:, step - 1])))
            policy_logits, value_logits = self.model.predict(features)
            losses["policy"].append(is_step * cross_entropy(policy_logits, segment.action_weights[:, step]))
            losses["value"].append(is_known * cross_entropy(value_logits, value_target[:, step]))
            if step == 0:
                root_value = scalar_of(value_logits.detach(), self.value_support)  # [B]

        coefs = {
            "policy": 1.0,
            "value": self.value_coef,
            "reward": self.reward_coef,
            "consistency": self.consistency_coef,
        }
        total: Tensor = torch.zeros_like(root_value)
        metrics: dict[str, Tensor | float] = {"value_mean": root_value.mean(), "target_mean": target[:, 0].mean()}
        for name, terms in losses.items():
            if terms:
                # Appendix G: the root counts as much as all unrolled steps together.
                root, unrolled = terms[: -self.unroll_steps], terms[-self.unroll_steps :]
                mean = torch.stack(unrolled).mean(dim=0) + sum(root)  # [B]
                total = total + coefs[name] * mean
                metrics[f"{name}_loss"] = mean.mean()
        priorities = (root_value - target[:, 0]).abs()  # Ye et al. 2021; Schrittwieser et al.: of the search's value
        return LossOutput((weight * total).mean(), metrics, priorities)

    def after_turn(self, batch: SegmentBatch) -> None:
        learned = batch.prefix_range if self.has_value_prefix else batch.reward_range
        for name, limit, seen in (
            ("reward", self.reward_support_limit, learned),
            ("value", self.value_support_limit, batch.reward_range),  # a state may be worth at least one reward
        ):
            largest = float(expand(torch.tensor(limit)))
            if max(-seen.low, seen.high) > largest:
                raise ConfigurationError(
                    f"algo.{name}_support_limit={limit:g} holds {name}s up to {largest:.4g}, but the rewards (with "
                    f"algo.value_prefix their sums) seen so far run from {seen.low:.4g} to {seen.high:.4g}; "
                    "choose a larger one."
                )

    def plan(self, observation: Tensor, num_simulations: int) -> PolicyOutput:
        """Search from every observation ``[B, ...]`` in one batch."""
        features = self.model.represent(observation)
        policy_logits, value_logits = self.model.predict(features)
        state: State = (features, *self.model.reward.initial_memory(features))
        if self.has_value_prefix:
            state += (features.new_zeros(len(features)), features.new_zeros(len(features)))
        root = RootOutput(policy_logits, scalar_of(value_logits, self.value_support), state)
        if self.search == "gumbel":
            return gumbel_muzero_policy(
                root,
                self._imagine,
                num_simulations,
                max_num_considered_actions=self.max_num_considered_actions,
                gumbel_scale=1.0 if self.training else 0.0,
                generator=self.generator,
            )
        return muzero_policy(
            root,
            self._imagine,
            num_simulations,
            dirichlet_alpha=self.dirichlet_alpha,
            dirichlet_fraction=self.dirichlet_fraction if self.training else 0.0,
            temperature=self.temperature,
            generator=self.generator,
        )

    def _imagine(self, action: Tensor, state: State) -> tuple[RecurrentOutput, State]:
        """Take one step in the model: what the search calls for every simulation."""
        features, *memory = state
        if self.has_value_prefix:
            *memory, prefix, age = memory
        features, reward_features = self.model.step(features, action)
        reward_logits, new_memory = self.model.reward(reward_features, tuple(memory))
        reward = scalar_of(reward_logits, self.reward_support)
        if self.has_value_prefix:
            # The sum so far less the sum before; after as many steps as were ever unrolled, sums start anew.
            goes_on = (age + 1 < self.unroll_steps).float()
            new_memory = (*(part * goes_on[:, None] for part in new_memory), reward * goes_on, (age + 1) * goes_on)
            reward = reward - prefix
        policy_logits, value_logits = self.model.predict(features)
        value = scalar_of(value_logits, self.value_support)
        output = RecurrentOutput(reward, torch.full_like(reward, self.discount), policy_logits, value)
        return output, (features, *new_memory)

    @torch.no_grad()
    def _see(self, segment: Segment) -> Tensor:
        """Return the states ``[B, U, ...]`` of what was seen after each unrolled step."""
        observation = segment.observation[:, 1 : self.unroll_steps + 1]
        return self.model.represent(observation.flatten(0, 1)).unflatten(0, observation.shape[:2])

    @torch.no_grad()
    def _prepare(self, segment: Segment) -> Segment:
        """Search a share of the segments again, and change what their images look like."""
        count = round(self.reanalyse_fraction * len(segment.action))
        if count:
            observation = segment.observation[:count, : segment.value.shape[1]]
            output = self.plan(observation.flatten(0, 1), self.num_simulations)
            value, action_weights = segment.value.clone(), segment.action_weights.clone()
            new_value = output.search_tree.summary().value.view(count, -1)
            value[:count] = torch.where(segment.is_step[:count], new_value, value[:count])
            # What a truncation cut off is worth what the last observation, just searched, is worth.
            last = segment.is_step[:count].sum(dim=1, keepdim=True) - 1
            is_inside = last < new_value.shape[1] - 1
            is_kept = segment.discount[:count].gather(1, last.clamp(max=segment.discount.shape[1] - 1)) > 0
            end_value = new_value.gather(1, (last + 1).clamp(max=new_value.shape[1] - 1))
            is_beyond = ~segment.is_step[:count] & is_inside & is_kept
            value[:count] = torch.where(is_beyond, end_value, value[:count])
            new_weights = output.action_weights.view(count, -1, action_weights.shape[-1])
            action_weights[:count] = new_weights[:, : self.unroll_steps + 1]
            segment = segment._replace(value=value, action_weights=action_weights)
        observation = segment.observation[:, : self.unroll_steps + 1]
        if self.has_augmentation:
            num_pixels = round(4 / 96 * observation.shape[-1])  # Ye et al.: 4 of 96
            images = random_shift(observation.flatten(0, 1), num_pixels, self._generator)
            observation = random_intensity(images, 0.05, self._generator).view_as(observation)
        return segment._replace(observation=observation)
