"""Who plays, what was decided, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
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
    hidden_state: Tensor  # [N, H] float32, a recurrent network's before it saw the observation; 0 at a first one
    is_best_response: Tensor  # [N] bool, the action follows action values and not the average of earlier responses


class ActorOutput(NamedTuple):
    """What an actor decides at one vector step."""

    action: Tensor  # [N, *action_shape]
    extras: Extras


class Explanation(NamedTuple):
    """What an algorithm thinks of T observations of a game; what it has no opinion of is ``None``.

    ``value`` and ``q_values`` must have a gradient with respect to the observation where they come from a network, so
    that it can be shown what in the picture they follow: leave out ``no_grad`` and ``detach``.
    """

    value: Tensor | None = None  # [T] float32, the expected return, as the network says it
    q_values: Tensor | None = None  # [T, A], the expected return after each action
    action_probs: Tensor | None = None  # [T, A], the policy; of several choices at once one after the other
    atoms: Tensor | None = None  # [S] or [T, A, S], the returns that a distribution of returns may have,
    atom_probs: Tensor | None = None  # [T, A, S], and their probabilities; 1 / S each of quantiles
    # Of a Gaussian policy, in the environment's units, [T, *action_shape]; beside choices the D numbers alone, [T, D].
    action_mean: Tensor | None = None
    action_std: Tensor | None = None  # and its standard deviation, likewise
    visit_counts: Tensor | None = None  # [T, A], of a search at its root,
    prior_probs: Tensor | None = None  # [T, A], the policy from which it set out,
    search_value: Tensor | None = None  # [T], and what it found the state to be worth


class Actor(Protocol):
    """Whoever chooses actions: a random player, a person, a module.

    One that has ``evaluation_modes``, the ways in which each evaluation is played, the one that counts first, is told
    by a second argument how to play: ``act(observation, mode)``. One that has ``begin_episodes(is_first, mode)`` is
    told before ``act`` which environments ``[N]`` begin an episode.
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
    extras: dict[str, np.ndarray]  # each [N, ...], an actor's `Extras`, and of two players ``turn_passes``

    @property
    def turn_passes(self) -> np.ndarray | None:
        """Where ``[N]`` the next observation is the opponent's, as the collector adds it; ``None``: never."""
        return self.extras.get("turn_passes")

    def discount(self, gamma: float) -> np.ndarray:
        """Return what the future ``[N]`` is multiplied with: 0 at an end, negative where it is the opponent's."""
        discount = np.float32(gamma) * ~self.is_terminal
        return discount if self.turn_passes is None else np.where(self.turn_passes, -discount, discount)


class Actions(Sequence[Any]):
    """The actions of one episode in order, in an array that grows: the bytes that they need, and half as many again.

    Whole numbers take a byte each while all of them fit. What comes out are numbers or arrays of one action.
    """

    def __init__(self, actions: Sequence[Any] = ()) -> None:
        self._array, self._length = np.empty(0), 0
        for action in actions:
            self.append(action)

    def append(self, action: Any) -> None:
        """Add one action, of the shape and kind of those before."""
        action = np.asarray(action)
        if self._length == 0:
            self._array = np.empty((16, *action.shape), np.uint8 if action.dtype.kind in "iu" else action.dtype)
        elif self._length == len(self._array):
            longer = np.empty((max(len(self._array) * 3 // 2, 16), *self._array.shape[1:]), self._array.dtype)
            longer[: self._length] = self._array
            self._array = longer
        if self._array.dtype == np.uint8 and (action.min(initial=0) < 0 or action.max(initial=0) > 255):
            self._array = self._array.astype(np.int64)
        self._array[self._length] = action
        self._length += 1

    @classmethod
    def of(cls, array: np.ndarray) -> Actions:
        """Return the actions ``[T, *action_shape]`` of an episode so far."""
        actions = cls()
        if len(array):
            actions._array, actions._length = array.copy(), len(array)
        return actions

    @property
    def array(self) -> np.ndarray:
        """All actions ``[T, *action_shape]``, whole numbers in a byte each while they fit."""
        return self._array[: self._length]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        found = self._array[: self._length][index]
        return found.astype(np.int64) if found.dtype.kind == "u" else found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and np.array_equal(self[:], np.asarray(other))

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return self._array.nbytes


@dataclass
class Episode:
    """One finished game. Its seed and its actions replay it exactly."""

    env_index: int
    episode_index: int
    seed: int
    length: int = 0  # env steps
    episode_return: float = 0.0  # sum of unclipped rewards; of two players', those of the one who moved first
    is_truncated: bool = False
    frames: int = 0  # frames of the run when it ended
    actions: Actions = field(default_factory=Actions)
    is_cut: bool = False  # truncated by whoever played it, not by the environment


class EvaluationResult(NamedTuple):
    """What one evaluation yields."""

    mode: str  # in which it was played
    returns: Tensor  # [E] float32, of E whole episodes
