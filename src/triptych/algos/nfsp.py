"""Neural fictitious self-play (NFSP): Heinrich & Silver 2016, arXiv 1603.01121.

Each player mixes two policies: a best response to how everybody plays, learned by Q-learning, and the average of the
best responses that were played so far, learned by imitation. In a zero-sum game of two players it is the average that
comes near an equilibrium, as in fictitious play (Brown 1951), so it is what evaluations play.

Differences from the paper:
 1. One pair of networks plays both sides, which observations tell apart (paper: a pair for each player).
 2. Adam for both networks, with one learning rate (paper: stochastic gradient descent, 0.1 for the values and 0.01 or
    0.005 for the policy), and the gradient norm is clipped.
 3. 64 games step together; env steps per update are counted over all of them and over both players.
 4. Evaluation plays with an average of the policy's weights (paper: the latest).
 5. Epsilon falls to 0 linearly over 1M env steps (paper: with the inverse square root of their number), and the
    reservoir holds 500,000 (paper: 2,000,000).
"""

from __future__ import annotations

import copy
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.distributions import Categorical

from triptych.algos.base import Algorithm
from triptych.functional.losses import half_squared
from triptych.functional.masks import legal_mean
from triptych.functional.policy_gradient import sample
from triptych.functional.q_learning import epsilon_greedy, q_learning_target, select
from triptych.functional.schedules import linear_schedule
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.q_network import QNetwork
from triptych.types import (
    EXPLORE,
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    Explanation,
    FictitiousSample,
    LossOutput,
    Minibatch,
)
from triptych.types.bounds import Between, Count, CountOrZero, Decay, Fraction


class NFSP(Algorithm):
    """Q-learning against the average of what everybody has played, and a policy that learns that average.

    Args:
        spec: of the environments: a game of two players with secrets.
        anticipatory: η, the probability with which a player follows the best response for a game; only from such games
            the average is learned.
        target_update_period_updates: updates between two copies to the target network of the action values.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration of best responses, linear in env steps.
        weight_average_decay: per update, of the average of the policy's weights that plays evaluations.
        network: the torso of both networks, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    respects_masks = True

    def __init__(
        self,
        spec: EnvSpec,
        *,
        anticipatory: Annotated[float, Between(0.001, 1)],
        target_update_period_updates: Count,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        weight_average_decay: Decay,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.anticipatory, self.target_update_period_updates = anticipatory, target_update_period_updates
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps = epsilon_decay_env_steps
        self.online_network = QNetwork(spec, network=network)
        self.target_network = copy.deepcopy(self.online_network).requires_grad_(False)
        self.policy_network = QNetwork(spec, network=network)  # whose outputs are logits
        self.average_network = WeightAverage(self.policy_network, weight_average_decay)
        self.responds = torch.zeros(0, 2, dtype=torch.bool)  # [N, 2], whether a player follows the best response

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        """Raise `ConfigurationError` where it cannot play."""
        super().check(spec)
        if spec.num_players != 2 or spec.parts is None or not spec.parts.has_seat:
            has_secrets = spec.parts is not None and spec.parts.has_seat
            raise ConfigurationError(
                "algo: NFSP plays both sides of a game of two players with secrets, and "
                + (
                    f"the agent plays one side of env={spec.name}; use env.opponent=self."
                    if has_secrets
                    else f"env={spec.name} is none; choose env=kuhn_poker or leduc_poker, with env.opponent=self."
                )
            )

    @property
    def epsilon(self) -> float:
        """The probability of a random action where a player follows the best response, now."""
        return linear_schedule(self.env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_decay_env_steps)

    def begin_episodes(self, is_first: Tensor, mode: str = EXPLORE) -> None:
        if mode == EXPLORE:
            drawn = torch.rand(len(is_first), 2, generator=self.generator(mode)) < self.anticipatory
            self.responds = torch.where(is_first.cpu()[:, None], drawn, self.responds) if len(self.responds) else drawn

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        network = self.policy_network if mode == EXPLORE else self.average_network
        average = sample(Categorical(logits=network(observation)), self.generator(mode))  # [N]
        if mode != EXPLORE:
            return ActorOutput(average, {})
        assert self.spec.parts is not None
        seat = self.spec.parts.seat(observation).long().cpu()  # [N]
        responds = self.responds[torch.arange(len(seat)), seat].to(observation.device)  # [N]
        legal = self.spec.legal_actions(observation)
        response = epsilon_greedy(self.online_network(observation), self.epsilon, self.generator(mode), legal)
        return ActorOutput(torch.where(responds, response, average), {"is_best_response": responds})

    def loss(self, minibatch: Minibatch[FictitiousSample]) -> LossOutput:
        observation, action, reward, discount, next_observation, response_observation, response = minibatch.sample
        with torch.no_grad():
            next_q_values = self.target_network(next_observation)  # [B, A]
            target = q_learning_target(reward, discount, next_q_values, next_q_values)  # [B]
        q_values = self.online_network(observation)  # [B, A]
        td_error = target - select(q_values, action)  # [B]
        value_loss = (minibatch.weight * half_squared(td_error)).mean()
        policy = Categorical(logits=self.policy_network(response_observation))
        policy_loss = -policy.log_prob(response).mean()
        metrics: dict[str, Tensor | float] = {
            "value_loss": value_loss,
            "policy_loss": policy_loss,
            "q_value_mean": legal_mean(q_values.detach(), self.spec.legal_actions(observation)),
            "entropy": policy.entropy().mean(),
            "epsilon": self.epsilon,
        }
        return LossOutput(value_loss + policy_loss, metrics, priorities=td_error.abs())

    def explain(self, observation: Tensor) -> Explanation:
        action_probs = self.average_network(observation).softmax(dim=-1)  # [T, A]
        q_values = self.online_network(observation)
        return Explanation(value=(action_probs * q_values).sum(dim=-1), q_values=q_values, action_probs=action_probs)

    def after_update(self) -> None:
        if self.updates % self.target_update_period_updates == 0:
            self.target_network.load_state_dict(self.online_network.state_dict())

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.policy_network, self.updates)

    def get_extra_state(self) -> dict[str, Any]:
        return super().get_extra_state() | {"responds": self.responds}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.responds = state["responds"].cpu()
