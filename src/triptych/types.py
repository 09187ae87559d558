"""The nouns that travel between the rooms.

Shape letters, the same everywhere: ``B`` batch, ``T`` time, ``N`` environments, ``K`` updates per turn,
``U`` unroll steps, ``M`` tree nodes, ``A`` actions, ``S`` support bins, ``C H W`` image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:  # torch is slow to import, and a wrong command line should be told at once
    from torch import Tensor


class ConfigurationError(ValueError):
    """A setting cannot work; the message is one sentence that names the key, the value and the way out."""


class NoPicture(RuntimeError):
    """An environment cannot be drawn on this machine."""


class NotFinite(ArithmeticError):
    """A number that must be finite is not.

    Attributes:
        offender: what it was computed from, arrays or tensors, for inspection.
    """

    def __init__(self, message: str, offender: object) -> None:
        super().__init__(message)
        self.offender = offender


@dataclass(frozen=True)
class EnvSpec:
    """What an algorithm may know of an environment; read from the environment, never from a config.

    Attributes:
        name: ``pong``, ``CartPole-v1``, ...
        protocol: name of the evaluation protocol, ``none`` off Atari.
        observation_shape: of one observation, ``(C, H, W)`` for images.
        observation_dtype: ``uint8`` (images, 0 to 255) or ``float32`` (vectors).
        num_actions: of a discrete action space, ``None`` for a continuous one.
        action_shape: of one action, ``()`` when discrete.
        action_low, action_high: bounds of continuous actions.
        frame_stack: single frames that an observation stacks on its first axis, 1 where it stacks none.
        frame_skip: emulator frames per env step.
        random_score, human_score: mean returns of a random and a human player, where published.
        solved_return: mean evaluation return from which the environment counts as solved.
    """

    name: str
    protocol: str
    observation_shape: tuple[int, ...]
    observation_dtype: str
    num_actions: int | None
    action_shape: tuple[int, ...] = ()
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    frame_stack: int = 1
    frame_skip: int = 1
    random_score: float | None = None
    human_score: float | None = None
    solved_return: float | None = None

    @property
    def is_image(self) -> bool:
        return self.observation_dtype == "uint8" and len(self.observation_shape) == 3

    def human_normalized_score(self, mean_return: float) -> float | None:
        """Scale a mean return so that random play is 0 and human play is 1; ``None`` where no scores exist."""
        if self.random_score is None or self.human_score is None:
            return None
        return (mean_return - self.random_score) / (self.human_score - self.random_score)


class Received(NamedTuple):
    """What came back from the emulators for the actions sent last."""

    observation: np.ndarray  # [N, *observation_shape]; at an end, the last one of the ended episode
    reward: np.ndarray  # [N] float32, unclipped
    terminated: np.ndarray  # [N] bool
    truncated: np.ndarray  # [N] bool
    lives: np.ndarray  # [N] int64, 0 where the game has no lives


class Game(Protocol):
    """N environments that step together. An ended one stays put until it is reset with its next seed."""

    spec: EnvSpec
    num_envs: int

    def reset(self, seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Start an episode from each seed, in the environments where ``mask [N]`` is true.

        ``seeds`` has one entry per true entry of ``mask``. Return observations ``[N, ...]`` of all, and lives ``[N]``
        that mean something where ``mask`` is true.
        """
        ...

    def send(self, action: np.ndarray) -> None:
        """Hand over actions ``[N, *action_shape]`` and return at once where the game has its own threads."""
        ...

    def receive(self) -> Received:
        """Wait for the results of the actions sent last."""
        ...

    def replay(self, seed: int, actions: Sequence[object]) -> Iterator[tuple[np.ndarray, float]]:
        """Play an episode again: yield ``(frame [H, W, 3] uint8, reward)``, the first frame with reward 0.

        Raises:
            NoPicture: nothing can be drawn.
        """
        ...

    def measure_frame_skip(self) -> int:
        """Take one step and count the emulator's frames; the environments must be reset afterwards."""
        ...

    def close(self) -> None: ...


GameFactory = Callable[[int], Game]  # num_envs -> fresh environments


class ActorOutput(NamedTuple):
    """What an actor decides at one vector step."""

    action: Tensor  # [N, *action_shape]
    extras: dict[str, Tensor]  # each [N, ...]; what the learner wants to find again beside the action


class Actor(Protocol):
    """Whoever chooses actions: a module, a random player, a human."""

    evaluation_mode: str  # how to play an evaluation, "" as it is meant

    def act(self, observation: Tensor) -> ActorOutput:
        """Choose one action for each of ``[N, *observation_shape]`` observations."""
        ...


class Step(NamedTuple):
    """One vector step with the ends of episodes resolved: what the collector hands to replay and rollouts.

    ``discount`` is 0 where the future is worth nothing (termination, or a lost life where the protocol says
    so) and 1 elsewhere, truncation included. ``is_last`` closes the window: no return may cross it.
    ``is_first`` marks environments whose ``observation`` starts an episode.
    """

    observation: np.ndarray  # [N, *observation_shape], what was acted upon
    action: np.ndarray  # [N, *action_shape]
    reward: np.ndarray  # [N] float32, clipped where the protocol clips
    discount: np.ndarray  # [N] float32, 0 or 1
    is_last: np.ndarray  # [N] bool
    is_first: np.ndarray  # [N] bool
    next_observation: np.ndarray  # [N, *observation_shape], the true one, never that of the next episode
    extras: dict[str, np.ndarray]  # each [N, ...]


class Transition(NamedTuple):
    """An n-step transition. ``discount`` is γⁿ, or 0 after termination: there is no ``done``."""

    observation: Tensor  # [..., *observation_shape]
    action: Tensor  # [..., *action_shape]
    reward: Tensor  # [...] float32, sum of γⁱ rᵢ over the window
    discount: Tensor  # [...] float32
    next_observation: Tensor  # [..., *observation_shape]


class Minibatch(NamedTuple):
    """What one update learns from."""

    transition: Transition  # leading axis B
    weight: Tensor  # [B] importance weights, 1 under uniform replay


class ReplayBatch(NamedTuple):
    """One turn: the samples of K updates, and the clock. K is 0 while replay warms up."""

    transition: Transition  # leading axes K, B
    weight: Tensor  # [K, B]
    env_steps: int  # agent decisions taken so far, over all environments

    def minibatch(self, update: int) -> Minibatch:
        """Return what one of the K updates learns from."""
        return Minibatch(Transition(*(field[update] for field in self.transition)), self.weight[update])


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


class SegmentMinibatch(NamedTuple):
    """What one update of a model learns from."""

    segment: Segment  # leading axis B
    weight: Tensor  # [B] importance weights


class Range(NamedTuple):
    """The smallest and the largest of some numbers, and of 0."""

    low: float
    high: float

    def with_(self, numbers: np.ndarray) -> Range:
        """Return the range that holds these numbers too."""
        return Range(min(self.low, float(numbers.min())), max(self.high, float(numbers.max())))


class SegmentBatch(NamedTuple):
    """One turn: the segments of K updates, and the clock. K is 0 while replay warms up."""

    segment: Segment  # leading axes K, B
    weight: Tensor  # [K, B]
    env_steps: int  # agent decisions taken so far, over all environments
    reward_range: Range  # of all rewards so far
    prefix_range: Range  # of their sums over up to U steps of an episode

    def minibatch(self, update: int) -> SegmentMinibatch:
        """Return what one of the K updates learns from."""
        return SegmentMinibatch(Segment(*(field[update] for field in self.segment)), self.weight[update])


class RolloutSteps(NamedTuple):
    """Steps of rollouts with what they led to, in any order: what one update learns from."""

    observation: Tensor  # [B, *observation_shape]
    action: Tensor  # [B, *action_shape]
    target: Tensor  # [B] the return, as far as it is known, completed by a value
    advantage: Tensor  # [B] how much better than expected the action was; 0 where no policy learns from it
    extras: dict[str, Tensor]  # each [B, ...], as the actor gave them

    def at(self, rows: Tensor) -> RolloutSteps:
        """Return the steps in these rows."""
        extras = {name: value[rows] for name, value in self.extras.items()}
        return RolloutSteps(self.observation[rows], self.action[rows], self.target[rows], self.advantage[rows], extras)


class Rollout(NamedTuple):
    """One turn on policy: T vector steps of N environments in order of time, and the clock. T is 0 in an empty one."""

    observation: Tensor  # [T, N, *observation_shape]
    action: Tensor  # [T, N, *action_shape]
    reward: Tensor  # [T, N] float32
    discount: Tensor  # [T, N] float32, γ, or 0 after termination
    is_last: Tensor  # [T, N] bool, the episode (or the life) ended with this step: no return crosses it
    next_observation: Tensor  # [T, N, *observation_shape], the true one, never that of the next episode
    extras: dict[str, Tensor]  # each [T, N, ...], what the actor wants to find again
    rows: Tensor  # [K, B] int64, which rows of the flattened [T · N] each update learns from
    env_steps: int  # agent decisions taken so far, over all environments

    @property
    def is_cut(self) -> Tensor:
        """Say where ``[T, N]`` the next row is not the next step: an end, or the end of the rollout."""
        is_cut = self.is_last.clone()
        is_cut[-1:] = True
        return is_cut

    def steps(self, target: Tensor, advantage: Tensor | None = None) -> RolloutSteps:
        """Flatten ``[T, N]`` to ``[T · N]``, with targets and advantages ``[T, N]``."""
        extras = {name: value.flatten(0, 1) for name, value in self.extras.items()}
        return RolloutSteps(
            self.observation.flatten(0, 1),
            self.action.flatten(0, 1),
            target.flatten(),
            (target.new_zeros(target.shape) if advantage is None else advantage).flatten(),
            extras,
        )


class LossOutput(NamedTuple):
    """What an algorithm's ``loss`` returns; ``None`` in its place leaves the update out."""

    loss: Tensor  # scalar
    metrics: dict[str, Tensor | float]  # scalars, on the device, averaged over a log interval
    priorities: Tensor | None = None  # [B] for prioritized replay


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
