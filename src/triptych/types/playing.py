"""Who plays, what was decided, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict

import numpy as np

if TYPE_CHECKING:  # torch is slow to import, and a wrong command line should be told at once
    from torch import Tensor

# How to play: while learning, and as a policy is meant to be judged. An algorithm may know more ways, such as a
# planner's without its search; each of their names begins with EVALUATE.
EXPLORE, EVALUATE = "explore", "evaluate"


class Extras(TypedDict, total=False):
    """What an actor says of its choice, for its own learner to find again beside the action."""

    value: Tensor  # [N] float32, of the observation: a critic's, a network's best, or a search's
    log_prob: Tensor  # [N] float32, of the action under the policy that chose it
    action_weights: Tensor  # [N, A] float32, a search's


class ActorOutput(NamedTuple):
    """What an actor decides at one vector step."""

    action: Tensor  # [N, *action_shape]
    extras: Extras


class Actor(Protocol):
    """Whoever chooses actions: a random player, a person, a module.

    One that has ``evaluation_modes``, the ways in which each evaluation is played, the one that counts first, is told
    by a second argument how to play: ``act(observation, mode)``.
    """

    def act(self, observation: Tensor) -> ActorOutput:
        """Choose one action for each of ``[N, *observation_shape]`` observations."""
        ...


class Step(NamedTuple):
    """One vector step with the ends of episodes resolved: what the collector hands to replay and rollouts.

    ``is_terminal`` says where the future is worth nothing: after termination, and after a lost life where the protocol
    says so; not after truncation. ``is_last`` closes the window in all three cases: no return may cross it.
    ``is_first`` marks environments whose ``observation`` starts an episode.
    """

    observation: np.ndarray  # [N, *observation_shape], what was acted upon
    action: np.ndarray  # [N, *action_shape]
    reward: np.ndarray  # [N] float32, clipped where the protocol clips
    is_terminal: np.ndarray  # [N] bool
    is_last: np.ndarray  # [N] bool
    is_first: np.ndarray  # [N] bool
    next_observation: np.ndarray  # [N, *observation_shape], the true one, never that of the next episode
    extras: dict[str, np.ndarray]  # each [N, ...], an actor's `Extras`


@dataclass
class Episode:
    """One finished game. Its seed and its actions replay it exactly."""

    env_index: int
    episode_index: int
    seed: int
    length: int = 0  # env steps
    episode_return: float = 0.0  # sum of unclipped rewards
    is_truncated: bool = False
    frames: int = 0  # frames of the run when it ended
    actions: list[Any] = field(default_factory=list)


class EvaluationResult(NamedTuple):
    """What one evaluation yields."""

    mode: str  # in which it was played
    returns: Tensor  # [E] float32, of E whole episodes
