"""MuZero: Schrittwieser et al. 2020, "Mastering Atari, Go, chess and shogi by planning with a learned model",
Nature 588; by default with the search of Danihelka et al. 2022, "Policy improvement by planning with Gumbel", ICLR.

A model predicts rewards, values and policies of the states that actions lead to, and nothing else of the world.
The agent searches in it; the search's policy and value are what the model learns next.

Options that make it EfficientZero (Ye et al. 2021, "Mastering Atari games with limited data", NeurIPS):
`consistency_coef`, `value_prefix`, `reanalyse_fraction` and `augmentation`.

Differences from the Nature paper:
 1. `search=gumbel` is Gumbel MuZero, which improves the policy with any number of simulations, with 0.1 as the weight
    of values beside the prior (Danihelka et al. on boards: 1); `search=puct` is the paper's but for 7.
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

from itertools import accumulate
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from triptych.algos.planner import WITHOUT_SEARCH, Planner
from triptych.functional.augmentation import augment
from triptych.functional.gradients import scale_gradient
from triptych.functional.losses import cross_entropy
from triptych.functional.returns import n_step_returns
from triptych.functional.supports import compressed_two_hot, expand, make_support, scalar_of
from triptych.networks.world_model import Projection, make_world_model
from triptych.planning import PolicyOutput, RecurrentOutput, RootOutput
from triptych.types import (
    EXPLORE,
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    Explanation,
    LossOutput,
    Minibatch,
    Segment,
)
from triptych.types.bounds import AtLeast, Between, Coefficient, Count, Fraction

State = tuple[Tensor, ...]  # of the search: features, the reward head's memory, and with it the prefix and its age


class MuZero(Planner):
    """Learns a model and plans in it.

    Args:
        spec: of the environments; actions must be discrete.
        discount: γ, in the search.
        unroll_steps, n_step, num_observations: of the segments, as the data knows them.
        value_support_limit, num_value_bins: the support of values has so many bins between ±limit, after the
            transform h. reward_support_limit, num_reward_bins: likewise, of rewards.
        representation: see `PictureModel`.
        value_coef, reward_coef, consistency_coef: weights of the losses beside the policy's.
        value_prefix: learn sums of rewards over the unrolled steps instead of each reward.
        reanalyse_fraction: share of the segments that are searched again when they are learned from.
        augmentation: shift images, where they are seen without a mask, and change their intensity when they are learned
            from.
        kwargs: see `Planner`.
    """

    value_support: Tensor
    reward_support: Tensor

    def __init__(
        self,
        spec: EnvSpec,
        *,
        discount: Fraction,
        unroll_steps: Count,
        n_step: Annotated[int, Between(1, 255)],
        num_observations: Count,
        value_support_limit: Annotated[float, AtLeast(1e-3)],
        num_value_bins: Annotated[int, Between(2, 100_001)],
        reward_support_limit: Annotated[float, AtLeast(1e-3)],
        num_reward_bins: Annotated[int, Between(2, 100_001)],
        representation: Literal["nature", "efficientzero"],
        value_coef: Coefficient,
        reward_coef: Coefficient,
        consistency_coef: Coefficient,
        value_prefix: bool,
        reanalyse_fraction: Fraction,
        augmentation: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.discount, self.unroll_steps, self.n_step = discount, unroll_steps, n_step
        # Of two players who take turns, what follows a move is the opponent's.
        self.search_discount = -discount if spec.num_players == 2 else discount
        self.value_coef, self.reward_coef, self.consistency_coef = value_coef, reward_coef, consistency_coef
        self.value_prefix, self.reanalyse_fraction = value_prefix, reanalyse_fraction
        self.augmentation = augmentation and spec.is_image
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
        # The data checks what it stores: scalars beyond these would all look like the end of the support.
        self.largest_value = float(expand(torch.tensor(float(value_support_limit))))
        self.largest_reward = float(expand(torch.tensor(float(reward_support_limit))))
        self.model = make_world_model(spec, num_value_bins, num_reward_bins, value_prefix, representation)
        self.projection = Projection(self.model.state_size) if consistency_coef else None

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        output = self.plan(observation, 0 if mode == WITHOUT_SEARCH else self.num_simulations, mode)
        value = output.search_tree.summary().value
        return ActorOutput(output.action, {"value": value, "action_weights": output.action_weights})

    def loss(self, minibatch: Minibatch[Segment]) -> LossOutput:
        segment, weight = minibatch
        check_turns(self.spec, segment)
        segment = self._augment(self._reanalyse(segment))
        target = n_step_returns(segment.reward, segment.discount, segment.value, self.n_step)  # [B, U + 1]
        reward = segment.reward[:, : self.unroll_steps]
        if self.value_prefix:
            reward = torch.stack([*accumulate(reward.unbind(1))], dim=1)  # CUDA's own sums differ from time to time
        reward_target = compressed_two_hot(reward, self.reward_support)
        value_target = compressed_two_hot(target, self.value_support)  # [B, U + 1, S]
        policy_target, is_step, is_known = segment.action_weights, segment.is_step, segment.is_known

        # The root: what is seen.
        features = self.model.represent(self.spec.see(segment.observation[:, 0]))
        seen = None
        if self.projection is not None:  # what was seen after each unrolled step
            later = segment.observation[:, 1 : self.unroll_steps + 1]
            with torch.no_grad():
                seen = self.model.represent(self.spec.see(later.flatten(0, 1))).unflatten(0, later.shape[:2])
        memory = self.model.reward.initial_memory(features)
        policy_logits, value_logits = self.model.predict(features)
        root_value = scalar_of(value_logits.detach(), self.value_support)  # [B]
        root_policy_losses = is_step[:, 0] * cross_entropy(policy_logits, policy_target[:, 0])
        root_value_losses = is_known[:, 0] * cross_entropy(value_logits, value_target[:, 0])

        # U steps unrolled: what is imagined, each list [U] of [B].
        policy_losses, value_losses, reward_losses, consistency_losses = [], [], [], []
        for step in range(1, self.unroll_steps + 1):
            features = scale_gradient(features, 0.5)  # appendix G: at the start of the dynamics function
            features, reward_features = self.model.step(features, segment.action[:, step - 1])
            reward_logits, memory = self.model.reward(reward_features, memory)
            reward_losses.append(is_known[:, step - 1] * cross_entropy(reward_logits, reward_target[:, step - 1]))
            if self.projection is not None and seen is not None:
                consistency_losses.append(-(is_step[:, step] * self.projection(features, seen[:, step - 1])))
            policy_logits, value_logits = self.model.predict(features)
            policy_losses.append(is_step[:, step] * cross_entropy(policy_logits, policy_target[:, step]))
            value_losses.append(is_known[:, step] * cross_entropy(value_logits, value_target[:, step]))

        # Appendix G: the root counts as much as all unrolled steps together.
        policy_loss = root_policy_losses + torch.stack(policy_losses).mean(dim=0)  # each [B]
        value_loss = root_value_losses + torch.stack(value_losses).mean(dim=0)
        reward_loss = torch.stack(reward_losses).mean(dim=0)
        total = policy_loss + self.value_coef * value_loss + self.reward_coef * reward_loss
        metrics: dict[str, Tensor | float] = {
            "value_mean": root_value.mean(),
            "target_mean": target[:, 0].mean(),
            "policy_loss": policy_loss.mean(),
            "value_loss": value_loss.mean(),
            "reward_loss": reward_loss.mean(),
        }
        if consistency_losses:
            consistency_loss = torch.stack(consistency_losses).mean(dim=0)
            total = total + self.consistency_coef * consistency_loss
            metrics["consistency_loss"] = consistency_loss.mean()
        priorities = (root_value - target[:, 0]).abs()  # Ye et al. 2021; Schrittwieser et al.: of the search's value
        return LossOutput((weight * total).mean(), metrics, priorities)

    def explain(self, observation: Tensor) -> Explanation:
        prior, value = self.model.predict(self.model.represent(self.spec.see(observation)))
        return self.explain_search(observation, prior, scalar_of(value, self.value_support))

    def plan(
        self,
        observation: Tensor,
        num_simulations: int,
        mode: str = EXPLORE,
        generator: torch.Generator | None = None,
    ) -> PolicyOutput:
        """Search from every observation ``[B, ...]`` in one batch; chance comes from ``generator``, or the mode's."""
        features = self.model.represent(self.spec.see(observation))
        policy_logits, value_logits = self.model.predict(features)
        state: State = (features, *self.model.reward.initial_memory(features))
        if self.value_prefix:
            state += (features.new_zeros(len(features)), features.new_zeros(len(features)))
        root = RootOutput(policy_logits, scalar_of(value_logits, self.value_support), state)
        return self.search_from(root, self._imagine, num_simulations, observation, mode, generator)

    def _imagine(self, action: Tensor, state: State) -> tuple[RecurrentOutput, State]:
        """Take one step in the model: what the search calls for every simulation."""
        features, *memory = state
        if self.value_prefix:
            *memory, prefix, age = memory
        features, reward_features = self.model.step(features, action)
        reward_logits, new_memory = self.model.reward(reward_features, tuple(memory))
        reward = scalar_of(reward_logits, self.reward_support)
        if self.value_prefix:
            # The sum so far less the sum before; after as many steps as were ever unrolled, sums start anew.
            goes_on = (age + 1 < self.unroll_steps).float()
            new_memory = (*(part * goes_on[:, None] for part in new_memory), reward * goes_on, (age + 1) * goes_on)
            reward = reward - prefix
        policy_logits, value_logits = self.model.predict(features)
        value = scalar_of(value_logits, self.value_support)
        output = RecurrentOutput(reward, torch.full_like(reward, self.search_discount), policy_logits, value)
        return output, (features, *new_memory)

    @torch.no_grad()
    def _reanalyse(self, segment: Segment) -> Segment:
        """Search a share of the segments again, with the network as it is now."""
        count = round(self.reanalyse_fraction * len(segment.action))
        if not count:
            return segment
        observation = segment.observation[:count, : segment.value.shape[1]]
        seen, first = observation.flatten(0, 1), observation[:, :1].expand_as(observation).flatten(0, 1)
        legal = self.spec.legal_actions(seen)
        if legal is not None:  # where a game is over nothing is allowed, and nothing that was found is used
            is_over = ~legal.any(dim=-1)
            seen = torch.where(is_over.view(-1, *(1,) * (seen.ndim - 1)), first, seen)
        output = self.plan(seen, self.num_simulations, generator=self.learning_generator)
        value, action_weights = segment.value.clone(), segment.action_weights.clone()
        new_value = output.search_tree.summary().value.view(count, -1)
        value[:count] = torch.where(segment.is_step[:count], new_value, value[:count])
        # What a truncation cut off is worth what the last observation, just searched, is worth.
        last = segment.is_step[:count].sum(dim=1, keepdim=True) - 1
        is_inside = last < new_value.shape[1] - 1
        is_kept = segment.discount[:count].gather(1, last.clamp(max=segment.discount.shape[1] - 1)) != 0
        end_value = new_value.gather(1, (last + 1).clamp(max=new_value.shape[1] - 1))
        is_beyond = ~segment.is_step[:count] & is_inside & is_kept
        value[:count] = torch.where(is_beyond, end_value, value[:count])
        new_weights = output.action_weights.view(count, -1, action_weights.shape[-1])
        action_weights[:count] = new_weights[:, : self.unroll_steps + 1]
        return segment._replace(value=value, action_weights=action_weights)

    @torch.no_grad()
    def _augment(self, segment: Segment) -> Segment:
        """Change what the images of the unrolled steps look like, where that is asked for."""
        observation = segment.observation[:, : self.unroll_steps + 1]
        if self.augmentation:
            images = augment(observation.flatten(0, 1), self.learning_generator, 4 / 96)  # Ye et al.: 4 pixels of 96
            observation = images.view_as(observation)
        return segment._replace(observation=observation)


def check_turns(spec: EnvSpec, segment: Segment) -> None:
    """Raise `ConfigurationError` where one of two players has moved twice in a row: the search takes turns."""
    is_followed_by_own = segment.is_step[:, :-1] & (segment.discount > 0)
    if spec.num_players == 2 and is_followed_by_own.any():
        raise ConfigurationError(
            f"algo: MuZero searches as if players took turns, but in env={spec.name} one may move twice in a row; "
            "choose algo=alphazero."
        )
