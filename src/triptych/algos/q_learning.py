"""Q-learning with a table: Watkins 1989, "Learning from delayed rewards"; Sutton & Barto 2018, section 6.5.

Differences from the books:
 1. Several environments may step together; each step is learned from once, in an order drawn anew, after all have
    acted by the same table.
 2. The step size of a value may fall with the number of its updates (Even-Dar & Mansour 2003, section 3).
"""

from __future__ import annotations

from typing import Annotated, Any

from torch import Tensor

from triptych.algos.tables import TableAlgorithm, Tables, TableStep
from triptych.functional.q_learning import epsilon_greedy
from triptych.functional.tables import break_ties
from triptych.types import EXPLORE, ActorOutput, EnvSpec
from triptych.types.bounds import Between, Fraction


class QLearning(TableAlgorithm):
    """One-step Q-learning, off policy, from each step as it comes.

    Args:
        spec: of the environments; states must be numbered and actions discrete.
        discount: γ.
        step_size: α of a value's first update.
        step_size_exponent: ω, by which it falls as α / n^ω with the number n of updates of this value; 0 keeps it.
        epsilon: exploration in training.
        eval_epsilon: exploration in evaluation.
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
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, discount=discount, **kwargs)
        self.step_size, self.step_size_exponent = step_size, step_size_exponent
        self.epsilon, self.eval_epsilon = epsilon, eval_epsilon

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        q_values = self.q_values[observation.argmax(dim=-1)]  # [N, A]
        epsilon, generator = self.epsilon if mode == EXPLORE else self.eval_epsilon, self.generator(mode)
        return ActorOutput(epsilon_greedy(break_ties(q_values, generator), epsilon, generator), {})

    def learn(self, tables: Tables, step: TableStep) -> float:
        """Move Q(s, a) towards r + γ max Q(s', ·): Sutton & Barto 2018, equation 6.8."""
        q_values, num_updates = tables["q_values"], tables["num_updates"]
        state, action, reward, discount, next_state = step
        num_updates[state, action] += 1
        step_size = self.step_size / num_updates[state, action] ** self.step_size_exponent
        td_error = reward + discount * q_values[next_state].max() - q_values[state, action]
        q_values[state, action] += step_size * td_error
        return float(td_error)
