"""Random actions that last: Dabney, Ostrovski & Barreto 2021, "Temporally-extended ε-greedy exploration", ICLR."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych.functional.q_learning import epsilon_greedy, zeta_durations


class ExtendedEpsilonGreedy:
    """Chooses the greedy action, or with probability ε begins a random one that is played for a random time.

    Algorithm 1 of the paper, for N environments: the times are n steps with a probability in proportion to n^-μ. (There
    an action is played for n + 1 steps.) A stretch ends with its episode, and where its action is not allowed.

    Args:
        exponent: μ; the paper has 2, and the larger it is the nearer this comes to ε-greedy.
    """

    def __init__(self, exponent: float) -> None:
        self.exponent = float(exponent)
        self._action = self._steps_left = torch.zeros(0, dtype=torch.int64)  # [N]

    def begin_episodes(self, is_first: Tensor) -> None:
        """End the stretches of the environments ``[N]`` in which an episode begins."""
        if len(self._steps_left) != len(is_first):
            self._action = self._steps_left = torch.zeros(len(is_first), dtype=torch.int64)
        self._steps_left = self._steps_left.masked_fill(is_first.cpu(), 0)

    def choose(self, q_values: Tensor, epsilon: float, generator: torch.Generator, legal: Tensor | None) -> Tensor:
        """Return actions ``[N]`` for values ``[N, A]``; ``legal [N, A]`` says which are allowed."""
        num_envs = len(q_values)
        goes_on = self._steps_left > 0
        if legal is not None:
            goes_on &= legal.cpu()[torch.arange(num_envs), self._action]
        begins = (torch.rand(num_envs, generator=generator) < epsilon) & ~goes_on
        random = epsilon_greedy(q_values.cpu(), 1.0, generator, legal)
        duration = zeta_durations(num_envs, self.exponent, generator)
        self._action = torch.where(begins, random, self._action)
        steps = torch.where(begins, duration, self._steps_left * goes_on)
        self._steps_left = (steps - 1).clamp(min=0)
        return torch.where(steps.to(q_values.device) > 0, self._action.to(q_values.device), q_values.argmax(dim=-1))

    def state_dict(self) -> dict[str, Any]:
        return {"action": self._action, "steps_left": self._steps_left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._action, self._steps_left = state["action"].cpu(), state["steps_left"].cpu()
