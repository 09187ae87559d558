"""REINFORCE: Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
learning", Machine Learning 8; as an algorithm of episodes, Sutton & Barto 2018, sections 13.3 and 13.4.

Options: `baseline` subtracts a learned state value from the return.

Differences from the book:
 1. One update takes the mean over all steps of the episodes that ended within a rollout of T steps in N
    environments; the book updates after each step of one episode. Steps of an episode that goes on beyond the
    rollout have no return yet and are left out, which favours short episodes; T should be long.
 2. With `num_minibatches` above 1 the later updates of a rollout follow a policy that has moved a little since.
 3. The factor γᵗ before the gradient is left out, as in all that came after.
 4. The return of a truncated episode is completed by the baseline; without one it ends there.
 5. Adam instead of plain gradient ascent, and the gradient norm is clipped.
 6. An entropy bonus (Williams & Peng 1991) keeps the policy from settling too soon; 0 turns it off.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych import ranks
from triptych.algos.base import Algorithm
from triptych.functional.distributions import described
from triptych.functional.losses import half_squared
from triptych.functional.policy_gradient import policy_gradient_losses, sample
from triptych.functional.returns import is_of_ended_episode, lambda_returns, successor_values
from triptych.networks.actor_critic import ActorCritic
from triptych.networks.choice import Network, OwnNetwork
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Rollout, RolloutSteps
from triptych.types.bounds import Coefficient


class REINFORCE(Algorithm):
    """The policy gradient with whole returns.

    Args:
        spec: of the environments.
        baseline: subtract a learned state value.
        value_coef, entropy_coef: weights of the baseline's loss and of the entropy bonus.
        normalize_observations: see `ActorCritic`.
        eval_greedy: evaluate the likeliest action instead of a drawn one.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    needs_discrete_actions = False
    respects_masks = True

    def __init__(
        self,
        spec: EnvSpec,
        *,
        baseline: bool,
        value_coef: Coefficient,
        entropy_coef: Coefficient,
        normalize_observations: bool,
        eval_greedy: bool,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.baseline = self.uses_all_parameters = baseline
        self.value_coef, self.entropy_coef, self.eval_greedy = value_coef, entropy_coef, eval_greedy
        self.network = ActorCritic(spec, normalize_observations=normalize_observations, network=network)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        policy, value = self.network(observation)
        is_greedy = self.eval_greedy and mode != EXPLORE
        action = policy.mode if is_greedy else sample(policy, self.generator(mode))
        return ActorOutput(action, {"value": value})

    def targets(self, rollout: Rollout) -> RolloutSteps:
        if self.baseline:
            baseline = rollout.extras["value"]  # [T, N]
            bootstrap_value = self.network(rollout.next_observation[rollout.is_cut])[1]
            next_value = successor_values(baseline, rollout.is_cut, bootstrap_value)
        else:
            baseline = next_value = torch.zeros_like(rollout.reward)
        returns = lambda_returns(rollout.reward, rollout.discount, next_value, rollout.is_cut, lambda_=1.0)
        return rollout.steps(returns, returns - baseline, is_known=is_of_ended_episode(rollout.is_last))

    def loss(self, minibatch: RolloutSteps) -> LossOutput | None:
        is_known = minibatch.is_known  # [B]
        num_known = ranks.mean(is_known.sum())
        if not num_known:
            return None
        policy, value = self.network(minibatch.observation)
        log_prob = policy.log_prob(minibatch.action)  # [B]
        share = is_known / num_known  # [B] of the mean over the steps that have a return
        policy_loss = (share * policy_gradient_losses(log_prob, minibatch.advantage)).sum()
        entropy = (share * policy.entropy()).sum()
        loss = policy_loss - self.entropy_coef * entropy
        metrics = {"policy_loss": policy_loss, "entropy": entropy}
        if self.baseline:
            value_loss = (share * half_squared(minibatch.target - value)).sum()
            loss = loss + self.value_coef * value_loss
            metrics |= {"value_loss": value_loss, "value_mean": (share * value).sum()}
        return LossOutput(loss, metrics)

    def explain(self, observation: Tensor) -> Explanation:
        policy, value = self.network(observation)
        return Explanation(value=value if self.baseline else None, **described(policy))

    def after_turn(self, batch: Rollout) -> None:
        self.network.observe(batch.observation)
