"""Dyna-Q with tables: Sutton 1990; Sutton & Barto 2018, section 8.2.

Q-learning that also learns a model, what followed when an action was last taken in a state, and learns from the model's
imagined steps as from real ones.

Differences from the book:
 1. Several environments may step together; each step is learned from once, in an order drawn anew, after all have
    acted by the same table.
 2. The step size of a value may fall with the number of its updates, imagined ones included.
 3. In a state in which an episode was cut off by a time limit the model goes on, as the world would.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from triptych.algos.tables import TableAlgorithm, Tables, TableStep
from triptych.functional.q_learning import epsilon_greedy
from triptych.functional.tables import break_ties
from triptych.types import EXPLORE, ActorOutput, EnvSpec
from triptych.types.bounds import Between, CountOrZero, Fraction


class Dyna(TableAlgorithm):
    """One-step Q-learning from real steps and from those of a learned model.

    Args:
        spec: of the environments; states must be numbered and actions discrete.
        discount: γ.
        step_size: α of a value's first update.
        step_size_exponent: ω, by which it falls as α / n^ω with the number n of updates of this value; 0 keeps it.
        epsilon: exploration in training.
        eval_epsilon: exploration in evaluation.
        planning_steps: imagined steps that are learned from after each real one.
        kwargs: see `TableAlgorithm`.
    """

    def __init__(
        self,
        spec: EnvSpec,
        *,
        discount: Fraction,
        step_size: Annotated[float, Between(1e-12, 1)],
        step_size_exponent: Fraction,
        epsilon: Fraction,
        eval_epsilon: Fraction,
        planning_steps: CountOrZero,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, discount=discount, **kwargs)
        self.step_size, self.step_size_exponent = step_size, step_size_exponent
        self.epsilon, self.eval_epsilon = epsilon, eval_epsilon
        self.planning_steps = planning_steps
        shape = self.q_values.shape
        self.register_buffer("is_known", torch.zeros(shape, dtype=torch.bool))  # the action was taken in the state
        self.register_buffer("model_reward", torch.zeros(shape))
        self.register_buffer("model_discount", torch.zeros(shape))
        self.register_buffer("model_next_state", torch.zeros(shape, dtype=torch.int64))

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        q_values = self.q_values[observation.argmax(dim=-1)]  # [N, A]
        epsilon, generator = self.epsilon if mode == EXPLORE else self.eval_epsilon, self.generator(mode)
        return ActorOutput(epsilon_greedy(break_ties(q_values, generator), epsilon, generator), {})

    def learn(self, tables: Tables, step: TableStep) -> float:
        """Learn from a real step, remember it, and plan: Sutton & Barto 2018, "Tabular Dyna-Q", (d) to (f)."""
        td_error = self._update(tables, step)
        state, action, reward, discount, next_state = step
        tables["is_known"][state, action] = True
        tables["model_reward"][state, action] = reward
        tables["model_discount"][state, action] = discount
        tables["model_next_state"][state, action] = next_state
        for imagined in self._imagine(tables):
            self._update(tables, imagined)
        return td_error

    def _update(self, tables: Tables, step: TableStep) -> float:
        """Move Q(s, a) towards r + γ max Q(s', ·): Sutton & Barto 2018, equation 6.8."""
        q_values, num_updates = tables["q_values"], tables["num_updates"]
        state, action, reward, discount, next_state = step
        num_updates[state, action] += 1
        step_size = self.step_size / num_updates[state, action] ** self.step_size_exponent
        td_error = reward + discount * q_values[next_state].max() - q_values[state, action]
        q_values[state, action] += step_size * td_error
        return float(td_error)

    def _imagine(self, tables: Tables) -> list[TableStep]:
        """Draw states seen before, and actions taken in them before, and say what the model makes of them."""
        is_known = tables["is_known"]
        states = np.flatnonzero(is_known.any(axis=1))
        chance = torch.rand(self.planning_steps, 2, dtype=torch.float64, generator=self.learning_generator).tolist()
        steps = []
        for of_state, of_action in chance:
            state = int(states[int(of_state * len(states))])
            actions = np.flatnonzero(is_known[state])
            action = int(actions[int(of_action * len(actions))])
            reward, discount = tables["model_reward"][state, action], tables["model_discount"][state, action]
            steps.append(TableStep(state, action, reward, discount, int(tables["model_next_state"][state, action])))
        return steps
