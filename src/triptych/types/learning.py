"""What an algorithm learns from, and what it makes of it.

``discount``, wherever a row has one, is what its future is multiplied with: γ to the number of its steps, and 0 where
the episode has terminated. There is no other mark of termination. Of two players it is negative where the turn passes:
what is good for the one is bad for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:  # torch is slow to import, and a wrong command line should be told at once
    from torch import Tensor

    from triptych.types.playing import Extras


class Transition(NamedTuple):
    """An n-step transition, or n of them in a row; n = 1 is the ordinary one."""

    observation: Tensor  # [..., *observation_shape]
    action: Tensor  # [..., *action_shape]
    reward: Tensor  # [...] float32, sum of γⁱ rᵢ over the n steps
    discount: Tensor  # [...] float32, γⁿ, or 0 after termination
    next_observation: Tensor  # [..., *observation_shape]


class Segment(NamedTuple):
    """A stretch of an episode: U steps to unroll a model over, and n more for the returns of each.

    L = U + n. Beyond an end it is padded: no reward, discount 1, and the value of the end, 0 after termination.
    """

    observation: Tensor  # [..., O, *observation_shape], of the first O steps, O >= 1
    action: Tensor  # [..., U, *action_shape]; random beyond an end
    reward: Tensor  # [..., L] float32
    discount: Tensor  # [..., L] float32, γ, 0 at a termination
    value: Tensor  # [..., L + 1] float32, that the search gave the observations when they were played
    action_weights: Tensor  # [..., U + 1, A] float32, of the search
    is_step: Tensor  # [..., L + 1] bool, a step was played there: there is a policy to learn
    is_known: Tensor  # [..., U + 1] bool, a step was played or the episode has terminated before: there is a value


class FictitiousSample(NamedTuple):
    """A transition from a player's turn to that player's next, and apart from it a best response once played."""

    observation: Tensor  # [..., *observation_shape]
    action: Tensor  # [..., *action_shape]
    reward: Tensor  # [...] float32, the player's, until the next turn
    discount: Tensor  # [...] float32, γ, or 0 after termination
    next_observation: Tensor  # [..., *observation_shape], at that turn
    response_observation: Tensor  # [..., *observation_shape]
    response_action: Tensor  # [..., *action_shape]


class StoredSequence(NamedTuple):
    """A stretch of what one environment showed, episodes one after the other, for a network with a memory.

    L = P + U + n rows: P to find the state again, U to learn from, and n more for their targets. A row is a step, the
    last observation of an episode, or neither; only of steps there is something to learn.
    """

    observation: Tensor  # [..., L, *observation_shape]
    is_first: Tensor  # [..., L] bool, an episode begins with this observation
    hidden_state: Tensor  # [..., H] float32, before the first row, of the network that played
    action: Tensor  # [..., U, *action_shape]
    reward: Tensor  # [..., U] float32, sum of γⁱ rᵢ over the steps of the window that begins there
    discount: Tensor  # [..., U] float32, γ to the number of its steps, or 0 after termination
    num_steps: Tensor  # [..., U] int64, of the window, n at most: so many rows on is the observation after it
    is_known: Tensor  # [..., U] bool, there is such a window


Sample = TypeVar("Sample", bound=tuple)  # such as a `Transition` or a `Segment`


class Minibatch(NamedTuple, Generic[Sample]):
    """What one update learns from."""

    sample: Sample  # leading axis B
    weight: Tensor  # [B] importance weights, 1 under uniform replay


class ReplayBatch(NamedTuple, Generic[Sample]):
    """One turn: the samples of K updates, and the clock. K is 0 while replay warms up."""

    sample: Sample  # leading axes K, B
    weight: Tensor  # [K, B]
    env_steps: int  # agent decisions taken so far, over all environments

    def minibatch(self, update: int) -> Minibatch[Sample]:
        """Return what one of the K updates learns from."""
        return Minibatch(type(self.sample)(*(field[update] for field in self.sample)), self.weight[update])


class RolloutSteps(NamedTuple):
    """Steps of rollouts with what they led to, in any order: what one update learns from."""

    observation: Tensor  # [B, *observation_shape]
    action: Tensor  # [B, *action_shape]
    target: Tensor  # [B] the return, as far as it is known, completed by a value
    advantage: Tensor  # [B] how much better than expected the action was; 0 where no policy learns from it
    is_known: Tensor  # [B] bool, there is a target; false where one would need what came after the rollout
    extras: Extras  # each [B, ...], as the actor gave them

    def at(self, rows: Tensor) -> RolloutSteps:
        """Return the steps in these rows."""
        extras: Extras = {name: value[rows] for name, value in self.extras.items()}  # type: ignore
        return RolloutSteps(*(field[rows] for field in self[:-1]), extras)  # type: ignore


class RolloutSequences(NamedTuple):
    """The steps of N environments in order of time, with what they led to: what a network with a memory learns from."""

    observation: Tensor  # [T, N, *observation_shape]
    action: Tensor  # [T, N, *action_shape]
    target: Tensor  # [T, N] the return, as far as it is known, completed by a value
    advantage: Tensor  # [T, N] how much better than expected the action was
    is_first: Tensor  # [T, N] bool, an episode begins with this observation
    extras: Extras  # each [T, N, ...], as the actor gave them

    def at(self, columns: Tensor) -> RolloutSequences:
        """Return the sequences of these environments."""
        extras: Extras = {name: value[:, columns] for name, value in self.extras.items()}  # type: ignore
        return RolloutSequences(*(field[:, columns] for field in self[:-1]), extras)  # type: ignore


class Rollout(NamedTuple):
    """One turn on policy: T vector steps of N environments in order of time, and the clock."""

    observation: Tensor  # [T, N, *observation_shape]
    action: Tensor  # [T, N, *action_shape]
    reward: Tensor  # [T, N] float32
    discount: Tensor  # [T, N] float32, γ, or 0 after termination
    is_last: Tensor  # [T, N] bool, the episode (or the life) ended with this step: no return crosses it
    next_observation: Tensor  # [T, N, *observation_shape], the true one, never that of the next episode
    extras: Extras  # each [T, N, ...], what the actor wants to find again
    rows: Tensor  # [K, B] int64, which rows of the flattened [T · N], or which environments, each update learns from
    env_steps: int  # agent decisions taken so far, over all environments
    is_first: Tensor | None = None  # [T, N] bool, an episode begins with this observation; for a memory

    @property
    def is_cut(self) -> Tensor:
        """Where ``[T, N]`` the next row is not the next step: an end, or the end of the rollout."""
        is_cut = self.is_last.clone()
        is_cut[-1:] = True
        return is_cut

    def steps(self, target: Tensor, advantage: Tensor | None = None, is_known: Tensor | None = None) -> RolloutSteps:
        """Flatten ``[T, N]`` to ``[T · N]``, with targets, advantages and what is known, each ``[T, N]``."""
        extras: Extras = {name: value.flatten(0, 1) for name, value in self.extras.items()}  # type: ignore
        return RolloutSteps(
            self.observation.flatten(0, 1),
            self.action.flatten(0, 1),
            target.flatten(),
            (target.new_zeros(target.shape) if advantage is None else advantage).flatten(),
            (target.new_ones(target.shape).bool() if is_known is None else is_known).flatten(),
            extras,
        )

    def sequences(self, target: Tensor, advantage: Tensor) -> RolloutSequences:
        """Keep ``[T, N]`` in order, with targets and advantages, each ``[T, N]``."""
        assert self.is_first is not None, "a memory must know where episodes begin"
        return RolloutSequences(self.observation, self.action, target, advantage, self.is_first, self.extras)


class EmptyTurn(NamedTuple):
    """A turn in which nothing is played or learned: it ends an epoch again, whose evaluation was cut off."""

    env_steps: int  # agent decisions taken so far, over all environments


class LossOutput(NamedTuple):
    """What an algorithm's ``loss`` returns; ``None`` in its place leaves the update out."""

    loss: Tensor  # scalar
    metrics: dict[str, Tensor | float]  # scalars, on the device, averaged over a log interval
    priorities: Tensor | None = None  # [B] for prioritized replay
