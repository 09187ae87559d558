"""Proximal policy optimization with a memory: Schulman et al. 2017, arXiv 1707.06347, on a long short-term memory
(Hochreiter & Schmidhuber 1997), as Mnih et al. 2016 have one behind their A3C.

Policy and value are of all that the episode has shown so far. Each update learns from whole sequences, all steps of
some environments, which begin with the state that the network had there when it played; the gradient goes back to the
beginning of the episode or of the rollout.

Differences from Schulman et al. are those of PPO numbered 1 to 6, and:
 7. Minibatches are of sequences instead of single steps.
 8. Within a rollout, states are computed anew by each update; only the first is that of the network that played.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych import ranks
from triptych.algos.base import Algorithm
from triptych.algos.hidden_states import HiddenStates
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
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.recurrent_actor_critic import RecurrentActorCritic
from triptych.types import EVALUATE, EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Rollout, RolloutSequences
from triptych.types.bounds import Coefficient, Count, Fraction, Positive


class RecurrentPPO(Algorithm):
    """A policy that remembers, and follows its critic's advantages, but not far from where they were seen.

    Args:
        spec: of the environments.
        memory_units: of the memory between the torso and the heads.
        gae_lambda: λ of the advantages; 1 for the n-step return, n up to the end of the rollout.
        clip_range: how far the policy's ratio may leave 1.
        value_clip_range: how far the value may leave the one that acted; ``None`` for as far as it likes.
        value_coef, entropy_coef: weights of the critic's loss and of the entropy bonus.
        normalize_observations: see `RecurrentActorCritic`.
        eval_greedy: evaluate the likeliest action instead of a drawn one.
        initial_std: of continuous actions, in halves of their range.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    needs_discrete_actions = False

    def __init__(
        self,
        spec: EnvSpec,
        *,
        memory_units: Count,
        gae_lambda: Fraction,
        clip_range: Positive,
        value_clip_range: Positive | None,
        value_coef: Coefficient,
        entropy_coef: Coefficient,
        normalize_observations: bool,
        eval_greedy: bool,
        network: Network | OwnNetwork | None = None,
        initial_std: Positive = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.gae_lambda, self.value_coef, self.entropy_coef = gae_lambda, value_coef, entropy_coef
        self.clip_range, self.value_clip_range = clip_range, value_clip_range
        self.eval_greedy = eval_greedy
        self.network = RecurrentActorCritic(
            spec,
            memory_units=memory_units,
            normalize_observations=normalize_observations,
            network=network,
            initial_std=initial_std,
        )
        self.hidden_states = HiddenStates(self.network.state_size)

    def on_validation_start(self) -> None:
        super().on_validation_start()
        self.hidden_states.forget(EVALUATE)

    on_test_start = on_validation_start

    def begin_episodes(self, is_first: Tensor, mode: str = EXPLORE) -> None:
        self.hidden_states.begin_episodes(is_first, mode)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        state = self.hidden_states.of(mode, len(observation), observation.device)  # [N, H]
        policy, value, next_state = self.network.step(observation, state)
        self.hidden_states.keep(mode, next_state)
        is_greedy = self.eval_greedy and mode != EXPLORE
        action = policy.mode if is_greedy else sample(policy, self.generator(mode))
        return ActorOutput(action, {"value": value, "log_prob": policy.log_prob(action), "hidden_state": state})

    def targets(self, rollout: Rollout) -> RolloutSequences:
        value = rollout.extras["value"]  # [T, N]
        is_cut = rollout.is_cut
        # What was remembered after the step, which the next row does not say where another episode begins.
        _, _, next_state = self.network.step(rollout.observation[is_cut], rollout.extras["hidden_state"][is_cut])
        _, bootstrap_value, _ = self.network.step(rollout.next_observation[is_cut], next_state)
        next_value = successor_values(value, is_cut, bootstrap_value)
        advantage, returns = generalized_advantages(
            rollout.reward, rollout.discount, value, next_value, is_cut, self.gae_lambda
        )
        return rollout.sequences(target=returns, advantage=advantage)

    def loss(self, minibatch: RolloutSequences) -> LossOutput:
        extras = minibatch.extras
        policy, value = self.network(minibatch.observation, extras["hidden_state"][0], minibatch.is_first)
        log_ratio = policy.log_prob(minibatch.action.flatten(0, 1)) - extras["log_prob"].flatten()  # [T · N]
        target, advantage = minibatch.target.flatten(), minibatch.advantage.flatten()
        advantage = standardize(advantage, ranks.concatenate(advantage))
        policy_loss = clipped_surrogate_losses(log_ratio, advantage, self.clip_range).mean()
        if self.value_clip_range is None:
            value_loss = half_squared(target - value).mean()
        else:
            value_loss = clipped_value_losses(value, extras["value"].flatten(), target, self.value_clip_range).mean()
        entropy = policy.entropy().mean()
        loss = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "value_mean": value.mean(),
            "approximate_kl": approximate_kl(log_ratio),
            "clip_fraction": (log_ratio.expm1().abs() > self.clip_range).float().mean(),
        }
        return LossOutput(loss, metrics)

    def explain(self, observation: Tensor) -> Explanation:
        state = self.hidden_states.of(EVALUATE, 1, observation.device)
        is_first = torch.zeros((len(observation), 1), dtype=torch.bool, device=observation.device)
        policy, value = self.network(observation[:, None], state, is_first)
        self.hidden_states.keep(EVALUATE, self.network.last_state(observation[:, None], state, is_first).detach())
        return Explanation(value=value, **described(policy))

    def after_turn(self, batch: Rollout) -> None:
        self.network.observe(batch.observation)

    def get_extra_state(self) -> dict[str, Any]:
        return super().get_extra_state() | {"hidden_states": self.hidden_states.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.hidden_states.load_state_dict(state["hidden_states"])
