"""Parallelised Q-network: Gallici et al. 2025, "Simplifying deep temporal difference learning", ICLR (algorithm 1).

Q-learning without replay and without a target network: many environments keep the data fresh, layer norm
keeps the values bounded, and λ-returns carry rewards back.

Differences from the paper:
 1. Adam instead of RAdam.
 2. 32 environments (paper: 128), minibatches of 64 steps (128).
 3. Epsilon falls over a horizon of its own (paper: over a tenth of the budget).
 4. Layer norm takes its mean and variance over channels and positions of a convolution's output, with a scale
    and a shift for each channel.
 5. Initial weights, for images, are orthogonal with gain √2 (the authors' code: normal, scaled likewise).
 6. A truncated episode keeps the value of its last observation.
 7. Evaluation plays with an average of the weights and acts randomly with probability 0.01 (the authors' code:
    the latest weights, greedily).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.losses import half_squared
from triptych.functional.masks import legal_mean
from triptych.functional.q_learning import epsilon_greedy, select
from triptych.functional.returns import lambda_returns, successor_values
from triptych.functional.schedules import linear_schedule
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.q_network import QNetwork
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Rollout, RolloutSteps
from triptych.types.bounds import CountOrZero, Decay, Fraction


class PQN(Algorithm):
    """Q-learning with a deep network on fresh rollouts.

    Args:
        spec: of the environments; actions must be discrete.
        dueling: the network adds a state value and action advantages.
        layer_norm: normalise the layers.
        q_lambda: λ of the returns.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration, linear in env steps.
        eval_epsilon: exploration in evaluation.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    respects_masks = True

    def __init__(
        self,
        spec: EnvSpec,
        *,
        dueling: bool,
        layer_norm: bool,
        q_lambda: Fraction,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        eval_epsilon: Fraction,
        weight_average_decay: Decay,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.q_lambda = q_lambda
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        self.online_network = QNetwork(spec, dueling=dueling, layer_norm=layer_norm, network=network)
        self.average_network = WeightAverage(self.online_network, weight_average_decay)

    @property
    def epsilon(self) -> float:
        """The probability of a random action while exploring, now."""
        return linear_schedule(self.env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_decay_env_steps)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        network = self.online_network if mode == EXPLORE else self.average_network
        q_values = network(observation)  # [N, A]
        epsilon = self.epsilon if mode == EXPLORE else self.eval_epsilon
        legal = self.spec.legal_actions(observation)
        action = epsilon_greedy(q_values, epsilon, self.generator(mode), legal)
        return ActorOutput(action, {"value": q_values.amax(dim=-1)})

    def targets(self, rollout: Rollout) -> RolloutSteps:
        value = rollout.extras["value"]  # [T, N]
        bootstrap_value = self.online_network(rollout.next_observation[rollout.is_cut]).amax(dim=-1)
        next_value = successor_values(value, rollout.is_cut, bootstrap_value)
        returns = lambda_returns(rollout.reward, rollout.discount, next_value, rollout.is_cut, self.q_lambda)
        return rollout.steps(target=returns)

    def loss(self, minibatch: RolloutSteps) -> LossOutput:
        q_values = self.online_network(minibatch.observation)  # [B, A]
        td_error = minibatch.target - select(q_values, minibatch.action)  # [B]
        loss = half_squared(td_error).mean()
        legal = self.spec.legal_actions(minibatch.observation)
        return LossOutput(loss, {"q_value_mean": legal_mean(q_values, legal), "epsilon": self.epsilon})

    def explain(self, observation: Tensor) -> Explanation:
        q_values = self.average_network(observation)  # [T, A]
        return Explanation(value=q_values.amax(dim=-1), q_values=q_values)

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.online_network, self.updates)
