"""DQN with Boltzmann exploration: Sutton & Barto 2018, section 2.8, on action values.

Differences from DQN:
 1. While exploring, an action is drawn in proportion to exp(Q(s, a) / temperature); evaluation is DQN's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych.algos.dqn import DQN
from triptych.types import EXPLORE, ActorOutput, EnvSpec
from triptych.types.bounds import Positive


class BoltzmannDQN(DQN):
    """DQN that prefers better actions when it explores.

    Args:
        spec: of the environments.
        temperature: of the softmax; towards 0 it becomes greedy.
        kwargs: see `DQN`.
    """

    def __init__(self, spec: EnvSpec, *, temperature: Positive, **kwargs: Any) -> None:
        super().__init__(spec, **kwargs)
        self.temperature = temperature

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        if mode != EXPLORE:
            return super().act(observation, mode)
        probs = (self.online_network(observation) / self.temperature).softmax(dim=-1)  # [N, A]
        return ActorOutput(torch.multinomial(probs.cpu(), 1, generator=self.generator(mode)).squeeze(-1), {})
