"""Advantage actor-critic: Mnih et al. 2016, "Asynchronous methods for deep reinforcement learning", ICML
(algorithm S3), in its synchronous form.

Options: `gae_lambda` below 1 takes the generalized advantage estimate (Schulman et al. 2016) instead of the
n-step return.

Differences from the paper:
 1. N environments step together and make one update of T · N steps, instead of 16 threads that update alone.
 2. Adam instead of RMSProp with shared statistics, at a constant learning rate.
 3. The network is Nature's, with 512 hidden units (paper: two convolutions and 256).
 4. The gradient norm is clipped to 0.5 (paper: none).
 5. A truncated episode keeps the value of its last observation.
 6. The critic's loss is a quarter of the squared error: half of the halved one (paper: the whole).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.distributions import described
from triptych.functional.losses import half_squared
from triptych.functional.policy_gradient import policy_gradient_losses, sample
from triptych.functional.returns import generalized_advantages, successor_values
from triptych.networks.actor_critic import ActorCritic
from triptych.networks.choice import Network, OwnNetwork
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Rollout, RolloutSteps
from triptych.types.bounds import Coefficient, Fraction


class A2C(Algorithm):
    """A policy that follows its critic's advantages.

    Args:
        spec: of the environments.
        gae_lambda: λ of the advantages; 1 for the n-step return, n up to the end of the rollout.
        value_coef, entropy_coef: weights of the critic's loss and of the entropy bonus.
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
        gae_lambda: Fraction,
        value_coef: Coefficient,
        entropy_coef: Coefficient,
        normalize_observations: bool,
        eval_greedy: bool,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.gae_lambda, self.value_coef, self.entropy_coef = gae_lambda, value_coef, entropy_coef
        self.eval_greedy = eval_greedy
        self.network = ActorCritic(spec, normalize_observations=normalize_observations, network=network)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        policy, value = self.network(observation)
        is_greedy = self.eval_greedy and mode != EXPLORE
        action = policy.mode if is_greedy else sample(policy, self.generator(mode))
        return ActorOutput(action, {"value": value})

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
        log_prob = policy.log_prob(minibatch.action)  # [B]
        policy_loss = policy_gradient_losses(log_prob, minibatch.advantage).mean()
        value_loss = half_squared(minibatch.target - value).mean()
        entropy = policy.entropy().mean()
        loss = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "value_mean": value.mean(),
        }
        return LossOutput(loss, metrics)

    def explain(self, observation: Tensor) -> Explanation:
        policy, value = self.network(observation)
        return Explanation(value=value, **described(policy))

    def after_turn(self, batch: Rollout) -> None:
        self.network.observe(batch.observation)
