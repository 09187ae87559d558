"""Deep Q-networks: Mnih et al. 2015, "Human-level control through deep reinforcement learning", Nature 518.

Options: `double_q` (van Hasselt et al. 2016), `dueling` (Wang et al. 2016), `noisy` (Fortunato et al. 2018),
`munchausen` (Vieillard et al. 2020), `epsilon_duration_exponent` (Dabney et al. 2021), and through the data `n_step`
(Sutton & Barto 2018, section 7.1) and `prioritized` (Schaul et al. 2016). `target_network=false` and `replay=null`
leave out what the Nature paper's Extended Data Table 3 leaves out.

Differences from the Nature paper:
 1. Adam instead of RMSProp, and the gradient norm is clipped.
 2. 16 games step together instead of one; env steps per update are counted over all of them, so the ratio
    of data to updates is the paper's. The actions of a turn use the parameters before the turn's updates.
 3. Epsilon falls from 1 to 0.01 (paper: 0.1) over 100k env steps (paper: 1M of the agent's frames).
 4. Learning starts after 10k env steps (paper: 50k).
 5. The target network moves every 250 updates (paper: 10k; its batches come every 4 env steps likewise).
 6. Evaluation plays with an average of the weights, acts randomly with probability 0.01 (paper: 0.05) and
    scores the best of all checkpoints on new episodes.
 7. Initial weights, for images, are orthogonal with gain √2 (the paper's code: uniform within ±1/√inputs).
 8. The dueling streams share the hidden layer (Wang et al.: one of 512 units for each stream), and `dueling`
    alone keeps the plain target (Wang et al.: the double one; add `double_q`).
 9. With `noisy`, epsilon-greedy exploration goes on as the settings of epsilon say (Fortunato et al.: none), and each
    game has noise of its own. The noise of the online network is drawn once for an update, so that `double_q` chooses
    the action with the noise of the values that are learned (Fortunato et al.: a draw of its own).
"""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.algos.extended_epsilon_greedy import ExtendedEpsilonGreedy
from triptych.functional.augmentation import augment
from triptych.functional.losses import half_squared, huber
from triptych.functional.masks import legal_max, legal_mean
from triptych.functional.q_learning import epsilon_greedy, munchausen_bonus, q_learning_target, select, soft_value
from triptych.functional.schedules import linear_schedule
from triptych.networks.average import WeightAverage
from triptych.networks.choice import Network, OwnNetwork
from triptych.networks.noisy import draw_noise
from triptych.networks.q_network import QNetwork
from triptych.types import (
    EXPLORE,
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    Explanation,
    LossOutput,
    Minibatch,
    Transition,
)
from triptych.types.bounds import AtLeastOrInfinite, Count, CountOrZero, Decay, Fraction, Positive

LOSSES = {"huber": huber, "squared": half_squared}


class DQN(Algorithm):
    """Q-learning with a deep network, replay and a target network.

    Args:
        spec: of the environments; actions must be discrete.
        double_q: the online network chooses the action whose target value counts.
        dueling: the network adds a state value and action advantages.
        td_loss: ``huber`` or ``squared``.
        target_network: whether targets come from a copy; without it, from the online network itself.
        target_update_period_updates: updates between two copies to the target network.
        epsilon_start, epsilon_end, epsilon_decay_env_steps: exploration, linear in env steps.
        eval_epsilon: exploration in evaluation.
        epsilon_duration_exponent: μ of random actions that last; ``None`` for one step each.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        noisy: the linear layers have learned noise, drawn anew for every step and every update.
        augmentation: shift images, where they are seen without a mask, and change their intensity when they are learned
            from.
        munchausen: the reward is raised by the policy's own log-probability, and the value of the next state is soft.
        munchausen_scale, munchausen_temperature: α and τ of that.
        network: the torso, where it is not to be chosen by what is seen; see `make_torso`.
        kwargs: see `Algorithm`.

    Raises:
        ConfigurationError: ``double_q`` and ``munchausen`` together.
    """

    respects_masks = True

    def __init__(
        self,
        spec: EnvSpec,
        *,
        double_q: bool,
        dueling: bool,
        td_loss: Literal["huber", "squared"],
        target_network: bool = True,
        target_update_period_updates: Count,
        epsilon_start: Fraction,
        epsilon_end: Fraction,
        epsilon_decay_env_steps: CountOrZero,
        eval_epsilon: Fraction,
        weight_average_decay: Decay,
        noisy: bool = False,
        augmentation: bool = False,
        munchausen: bool = False,
        munchausen_scale: Fraction = 0.9,
        munchausen_temperature: Positive = 0.03,
        network: Network | OwnNetwork | None = None,
        epsilon_duration_exponent: Annotated[float, AtLeastOrInfinite(1.0)] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        if double_q and munchausen:
            raise ConfigurationError(
                "algo.double_q=true and algo.munchausen=true exclude each other: a soft value has no greedy action; "
                "leave one out."
            )
        self.double_q, self.td_losses = double_q, LOSSES[td_loss]
        self.munchausen, self.munchausen_scale = munchausen, munchausen_scale
        self.munchausen_temperature = munchausen_temperature
        self.augmentation = augmentation and spec.is_image
        self.target_update_period_updates = target_update_period_updates if target_network else 1
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay_env_steps, self.eval_epsilon = epsilon_decay_env_steps, eval_epsilon
        exponent = epsilon_duration_exponent
        self.extended = None if exponent is None else ExtendedEpsilonGreedy(exponent)
        self.online_network = QNetwork(spec, dueling=dueling, noisy=noisy, network=network)
        self.target_network = copy.deepcopy(self.online_network).requires_grad_(False)
        self.average_network = WeightAverage(self.online_network, weight_average_decay)

    @property
    def epsilon(self) -> float:
        """The probability of a random action while exploring, now."""
        return linear_schedule(self.env_steps, self.epsilon_start, self.epsilon_end, self.epsilon_decay_env_steps)

    def begin_episodes(self, is_first: Tensor, mode: str = EXPLORE) -> None:
        if self.extended is not None and mode == EXPLORE:
            self.extended.begin_episodes(is_first)

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        network = self.online_network if mode == EXPLORE else self.average_network
        if mode == EXPLORE:
            draw_noise(network, self.generator(mode), len(observation))
        q_values = network(observation)  # [N, A]
        epsilon = self.epsilon if mode == EXPLORE else self.eval_epsilon
        legal = self.spec.legal_actions(observation)
        if self.extended is not None and mode == EXPLORE:
            return ActorOutput(self.extended.choose(q_values, epsilon, self.generator(mode), legal), {})
        return ActorOutput(epsilon_greedy(q_values, epsilon, self.generator(mode), legal), {})

    def loss(self, minibatch: Minibatch[Transition]) -> LossOutput:
        observation, action, reward, discount, next_observation = minibatch.sample
        for network in (self.online_network, self.target_network):
            draw_noise(network, self.learning_generator)
        if self.augmentation:
            observation, next_observation = (
                augment(images, self.learning_generator) for images in (observation, next_observation)
            )
        with torch.no_grad():
            next_q_values = self.target_network(next_observation)  # [B, A]
            if self.munchausen:
                old_q_values, temperature = self.target_network(observation), self.munchausen_temperature
                bonus = munchausen_bonus(old_q_values, action, self.munchausen_scale, temperature)
                target = reward + bonus + discount * soft_value(next_q_values, temperature)  # [B]
            else:
                selector = self.online_network(next_observation) if self.double_q else next_q_values
                target = q_learning_target(reward, discount, next_q_values, selector)  # [B]
        q_values = self.online_network(observation)  # [B, A]
        td_error = target - select(q_values, action)  # [B]
        loss = (minibatch.weight * self.td_losses(td_error)).mean()
        legal = self.spec.legal_actions(observation)
        largest = legal_max(q_values.detach().abs(), legal)  # far above the largest return it can get: it diverges
        metrics: dict[str, Tensor | float] = {"q_value_mean": legal_mean(q_values, legal), "q_value_largest": largest}
        metrics["epsilon"] = self.epsilon
        return LossOutput(loss, metrics, priorities=td_error.abs())

    def explain(self, observation: Tensor) -> Explanation:
        q_values = self.average_network(observation)  # [T, A]
        return Explanation(value=q_values.amax(dim=-1), q_values=q_values)

    def after_update(self) -> None:
        if self.updates % self.target_update_period_updates == 0:
            self.target_network.load_state_dict(self.online_network.state_dict())

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.online_network, self.updates)

    def get_extra_state(self) -> dict[str, Any]:
        extended = {} if self.extended is None else {"extended": self.extended.state_dict()}
        return super().get_extra_state() | extended

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        if self.extended is not None:
            self.extended.load_state_dict(state["extended"])
