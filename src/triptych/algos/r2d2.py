"""Recurrent replay distributed DQN (R2D2): Kapturowski et al. 2019, "Recurrent experience replay in distributed
reinforcement learning", ICLR.

Q-learning on a long short-term memory. A sequence from replay begins with the state that the network had there when it
played (the paper's stored state); both networks read the first steps only to bring it up to date (its burn-in), and
learn from the rest. Values are learned on the scale of h (Pohlen et al. 2018), so that rewards need no clipping.

Options: `double_q`, `dueling`, and through the data `n_step` and `prioritized`, all of which the paper has.

Differences from the paper:
 1. One process plays 16 games and learns; the paper has 256 actors, each with an epsilon of its own.
 2. A sequence may begin at any step and go over the end of an episode, where states begin anew (paper: sequences of 80
    steps begin at every 40th and end with the episode). Burn-in is 20 steps, and 40 are learned from (paper: 40, 80).
 3. The network is not shown the last action and reward.
 4. The memory has 256 units (paper: 512), and a batch 16 sequences (paper: 64).
 5. The target network moves every 250 updates (paper: 2500); the gradient norm is clipped as in DQN.
 6. Atari's rewards are clipped where the protocol says so (paper: never).
 7. Evaluation plays with an average of the weights and acts randomly with probability 0.01.
 8. The learning rate is 2.5e-4 (paper: 1e-4), and the replay holds 200,000 env steps (paper: 100,000 sequences).
 9. Initial weights of the memory, and for images of the torso, are orthogonal. With `dueling` value and advantages are
    one layer on the memory (paper: a hidden layer of 512 units before each).
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.algos.hidden_states import HiddenStates
from triptych.functional.losses import half_squared, huber
from triptych.functional.q_learning import epsilon_greedy
from triptych.functional.schedules import linear_schedule
from triptych.functional.supports import compress, expand
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.recurrent_q_network import RecurrentQNetwork
from triptych.types import EVALUATE, EXPLORE, ActorOutput, EnvSpec, Explanation, LossOutput, Minibatch, StoredSequence
from triptych.types.bounds import Count, CountOrZero, Decay, Fraction

LOSSES = {"huber": huber, "squared": half_squared}


class R2D2(Algorithm):
    """Q-learning of all that an episode has shown so far, with replay of sequences and a target network.

    Args:
        spec: of the environments; actions must be discrete.
        memory_units: of the memory between the torso and the head.
        burn_in_steps: rows at the beginning of a sequence that only bring its state up to date.
        double_q: the online network chooses the action whose target value counts.
        dueling: the network adds a state value and action advantages.
        value_rescaling: learn h(Q) instead of Q.
        priority_max_fraction: η; the priority of a sequence is η times its largest error plus 1 - η times the mean.
        td_loss: ``huber`` or ``squared``.
        target_update_period_updates: updates between two copies to the target network.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration, linear in env steps.
        eval_epsilon: exploration in evaluation.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        memory_units: Count,
        burn_in_steps: CountOrZero,
        double_q: bool,
        dueling: bool,
        value_rescaling: bool,
        priority_max_fraction: Fraction,
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
        self.burn_in_steps, self.double_q, self.value_rescaling = burn_in_steps, double_q, value_rescaling
        self.priority_max_fraction, self.td_losses = priority_max_fraction, LOSSES[td_loss]
        self.target_update_period_updates = target_update_period_updates
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        self.online_network = RecurrentQNetwork(spec, memory_units=memory_units, dueling=dueling, network=network)
        self.target_network = copy.deepcopy(self.online_network).requires_grad_(False)
        self.average_network = WeightAverage(self.online_network, weight_average_decay)
        self.hidden_states = HiddenStates(self.online_network.state_size)

    @property
    def epsilon(self) -> float:
        """The probability of a random action while exploring, now."""
        return linear_schedule(self.env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_decay_env_steps)

    def on_validation_start(self) -> None:
        super().on_validation_start()
        self.hidden_states.forget(EVALUATE)

    on_test_start = on_validation_start

    def begin_episodes(self, is_first: Tensor, mode: str = EXPLORE) -> None:
        self.hidden_states.begin_episodes(is_first, mode)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        network: Any = self.online_network if mode == EXPLORE else self.average_network.network
        state = self.hidden_states.of(mode, len(observation), observation.device)  # [N, H]
        q_values, next_state = network.step(observation, state)  # [N, A]
        self.hidden_states.keep(mode, next_state)
        epsilon = self.epsilon if mode == EXPLORE else self.eval_epsilon
        action = epsilon_greedy(q_values, epsilon, self.generator(mode))
        return ActorOutput(action, {"hidden_state": state})

    def loss(self, minibatch: Minibatch[StoredSequence]) -> LossOutput:
        sample = minibatch.sample
        is_known = sample.is_known.T  # [U, B]
        q_values = self._q_values(self.online_network, sample)  # [U + n, B, A]
        with torch.no_grad():
            next_q_values = self._q_values(self.target_network, sample)
            selector = q_values if self.double_q else next_q_values
            value = next_q_values.gather(-1, selector.argmax(dim=-1, keepdim=True)).squeeze(-1)  # [U + n, B]
            after = torch.arange(len(is_known), device=value.device)[:, None] + sample.num_steps.T
            value = value.gather(0, after)  # of the observation after the window, [U, B]
            target = sample.reward.T + sample.discount.T * (expand(value) if self.value_rescaling else value)
            target = compress(target) if self.value_rescaling else target
        q_value = q_values[: len(is_known)].gather(-1, sample.action.T[..., None]).squeeze(-1)
        td_error = (target - q_value) * is_known
        num_known = is_known.sum(dim=0)  # [B], at least the first
        losses = self.td_losses(td_error.flatten()).view_as(td_error)  # [U, B]
        loss = (minibatch.weight * losses).sum() / num_known.sum()
        sizes = td_error.detach().abs()
        eta = self.priority_max_fraction
        priorities = eta * sizes.amax(dim=0) + (1 - eta) * sizes.sum(dim=0) / num_known
        metrics: dict[str, Tensor | float] = {"q_value_mean": q_values.detach().mean(), "epsilon": self.epsilon}
        return LossOutput(loss, metrics, priorities=priorities)

    def explain(self, observation: Tensor) -> Explanation:
        state = self.hidden_states.of(EVALUATE, 1, observation.device)
        is_first = torch.zeros((len(observation), 1), dtype=torch.bool, device=observation.device)
        network: Any = self.average_network.network
        q_values = network(observation[:, None], state, is_first)[:, 0]  # [T, A]
        self.hidden_states.keep(EVALUATE, network.last_state(observation[:, None], state, is_first).detach())
        q_values = expand(q_values) if self.value_rescaling else q_values
        return Explanation(value=q_values.amax(dim=-1), q_values=q_values)

    def after_update(self) -> None:
        if self.updates % self.target_update_period_updates == 0:
            self.target_network.load_state_dict(self.online_network.state_dict())

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.online_network, self.updates)

    def get_extra_state(self) -> dict[str, Any]:
        return super().get_extra_state() | {"hidden_states": self.hidden_states.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.hidden_states.load_state_dict(state["hidden_states"])

    def _q_values(self, network: RecurrentQNetwork, sample: StoredSequence) -> Tensor:
        """Return the values ``[U + n, B, A]`` of the rows after the burn-in, through which no gradient goes."""
        observation, is_first = sample.observation.transpose(0, 1), sample.is_first.T
        state, start = sample.hidden_state, self.burn_in_steps
        if start:
            with torch.no_grad():
                state = network.last_state(observation[:start], state, is_first[:start])
        return network(observation[start:], state, is_first[start:])
