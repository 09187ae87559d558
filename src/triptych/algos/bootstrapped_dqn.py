"""Bootstrapped DQN: Osband, Blundell, Pritzel & Van Roy 2016, "Deep exploration via bootstrapped DQN", NIPS.

A network has several heads, each of which learns values of its own. In every episode one of them, drawn at random, is
followed: it is taken for the truth for as long as an episode lasts, as in Thompson sampling.

Options: `double_q`, `dueling` and those of the data, as of DQN.

Differences from the paper, beside those of DQN numbered 1, 2, 4, 5 and 7:
 1. Every head learns from every transition (paper: from those that a mask gives it, of which giving all is a special
    case), so the heads differ by their initial weights and by the targets that follow from them.
 2. The heads are linear in the last hidden layer, which they share (paper: one of 512 units for each).
 3. The loss is the mean over the heads, for the layers that they share and for their own.
"""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.losses import half_squared, huber
from triptych.functional.q_learning import epsilon_greedy, majority_vote
from triptych.functional.schedules import linear_schedule
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.q_network import QNetwork
from triptych.types import EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, Transition
from triptych.types.bounds import Between, Count, CountOrZero, Decay, Fraction

LOSSES = {"huber": huber, "squared": half_squared}


class BootstrappedDQN(Algorithm):
    """Q-learning with a deep network of several heads, replay and a target network.

    Args:
        spec: of the environments; actions must be discrete.
        num_heads: K.
        double_q: the online network's head chooses the action whose target value counts.
        dueling: each head adds a state value and action advantages.
        td_loss: ``huber`` or ``squared``.
        target_update_period_updates: updates between two copies to the target network.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration beside that of the heads, linear in env steps.
        eval_epsilon: exploration in evaluation, where the heads vote.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_heads: Annotated[int, Between(1, 1_000)],
        double_q: bool,
        dueling: bool,
        td_loss: Literal["huber", "squared"],
        target_update_period_updates: Count,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        eval_epsilon: Fraction,
        weight_average_decay: Decay,
        network: Network | OwnNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.num_heads, self.double_q, self.td_losses = num_heads, double_q, LOSSES[td_loss]
        self.target_update_period_updates = target_update_period_updates
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        # Heads that differ from the start: what each expects of actions not yet tried is all that explores.
        self.online_network = QNetwork(spec, dueling=dueling, num_bins=num_heads, network=network, head_gain=1.0)
        self.target_network = copy.deepcopy(self.online_network).requires_grad_(False)
        self.average_network = WeightAverage(self.online_network, weight_average_decay)
        self.followed = torch.zeros(0, dtype=torch.int64)  # [N], the head of each environment's episode

    @property
    def epsilon(self) -> float:
        """The probability of a random action while exploring, now."""
        return linear_schedule(self.env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_decay_env_steps)

    def begin_episodes(self, is_first: Tensor, mode: str = EXPLORE) -> None:
        if mode == EXPLORE:
            drawn = torch.randint(self.num_heads, is_first.shape, generator=self.generator(mode))
            self.followed = torch.where(is_first.cpu(), drawn, self.followed) if len(self.followed) else drawn

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        if mode == EXPLORE:
            q_values = self.online_network(observation)  # [N, A, K]
            followed = q_values[torch.arange(len(q_values)), :, self.followed]  # [N, A]
            return ActorOutput(epsilon_greedy(followed, self.epsilon, self.generator(mode)), {})
        votes = majority_vote(self.average_network(observation))  # [N, A]
        return ActorOutput(epsilon_greedy(votes, self.eval_epsilon, self.generator(mode)), {})

    def loss(self, minibatch: Minibatch[Transition]) -> LossOutput:
        observation, action, reward, discount, next_observation = minibatch.sample
        batch = torch.arange(len(action), device=action.device)
        with torch.no_grad():
            next_q_values = self.target_network(next_observation)  # [B, A, K]
            selector = self.online_network(next_observation) if self.double_q else next_q_values
            next_value = next_q_values.gather(1, selector.argmax(dim=1, keepdim=True)).squeeze(1)  # [B, K]
            target = reward[:, None] + discount[:, None] * next_value
        q_values = self.online_network(observation)  # [B, A, K]
        td_error = target - q_values[batch, action]  # [B, K]
        losses = self.td_losses(td_error.flatten()).view_as(td_error)
        loss = (minibatch.weight * losses.mean(dim=-1)).mean()
        spread = q_values.detach().std(dim=-1, correction=0).mean()  # of the heads: how unsure they are
        metrics: dict[str, Tensor | float] = {
            "q_value_mean": q_values.detach().mean(),
            "q_value_spread": spread,
            "epsilon": self.epsilon,
        }
        return LossOutput(loss, metrics, priorities=td_error.abs().mean(dim=-1))

    def explain(self, observation: Tensor) -> Explanation:
        heads = self.average_network(observation)  # [T, A, K]
        q_values, probs = heads.mean(dim=-1), torch.full_like(heads, 1 / self.num_heads)
        return Explanation(q_values.amax(dim=-1), q_values, atoms=heads, atom_probs=probs)

    def after_update(self) -> None:
        if self.updates % self.target_update_period_updates == 0:
            self.target_network.load_state_dict(self.online_network.state_dict())

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.online_network, self.updates)

    def get_extra_state(self) -> dict[str, Any]:
        return super().get_extra_state() | {"followed": self.followed}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.followed = state["followed"].cpu()
