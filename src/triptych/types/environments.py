"""What an environment is, and what passes between it and whoever steps it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from triptych.types.knowledge import ActionCells, BoardSymmetries, GoalRule, ObservationParts, Rules, TableModel


@dataclass(frozen=True)
class EnvSpec:
    """What an algorithm may know of an environment; read from the environment, never from a config.

    Attributes:
        name: ``pong``, ``CartPole-v1``, ...
        protocol: name of the evaluation protocol, ``none`` off Atari.
        observation_shape: of one observation, ``(C, H, W)`` for images.
        observation_dtype: ``uint8`` (images) or ``float32`` (vectors, and images of other numbers).
        num_actions: of a single discrete choice, else ``None``.
        action_shape: of one action, ``()`` of a single discrete choice.
        action_sizes: of several discrete choices at once, how many options each has, in the order of the flattened
            action; empty otherwise.
        action_low, action_high: bounds of continuous actions, likewise flattened; where the environment takes whole
            numbers, to which they are rounded, half a number beyond. Where there are ``action_sizes`` as well, an
            action is a row ``[C + D]`` float32: the options of the C choices, as whole numbers, and behind them the D
            continuous numbers.
        pixel_max: the largest number of a pixel in images, whose smallest is 0; ``None`` of vectors.
        reading: how the observations of the environment were read, in words.
        frame_stack: single frames that an observation stacks on its first axis, 1 where it stacks none.
        frame_skip: emulator frames per env step.
        random_score, human_score: mean returns of a random and a human player, where published.
        solved_return: mean evaluation return from which the environment counts as solved.
        num_starts: different episodes, given the same actions, among which a seed chooses; ``None`` where every seed
            has an episode of its own.
        render_fps: pictures of a video per second, one to an env step.
        num_states: of an environment that shows which of so many states it is in, as zeros and a one; else ``None``.
        model: of such an environment, where it tells; no algorithm learns from it.
        action_names: of the options of a single discrete choice, for people; empty where they are not known.
        parts: what a flat observation consists of, where a network does not see all of it; else ``None``.
        num_players: whose turns the steps are. Observations are as the player to move sees them, rewards are those of
            the player who moved, and what one of two wins the other loses.
        is_perfect_information: whether all players see everything.
        rules: of a game without chance and secrets, where they can be asked.
        symmetries: of a board, where it has any.
        goals: of an environment that shows a goal to reach; else ``None``.
        action_cells: of an environment whose pictures are boards of nothing else; else ``None``.
        has_chance: whether cards or dice decide something in a game whose players take turns.
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
    action_sizes: tuple[int, ...] = ()
    pixel_max: float | None = None
    reading: str = ""
    num_starts: int | None = None
    render_fps: float = 30.0
    num_states: int | None = None
    model: TableModel | None = field(default=None, compare=False, repr=False)
    action_names: tuple[str, ...] = ()
    parts: ObservationParts | None = None
    num_players: int = 1
    is_perfect_information: bool = True
    rules: Rules | None = field(default=None, compare=False, repr=False)
    symmetries: BoardSymmetries | None = field(default=None, compare=False, repr=False)
    goals: GoalRule | None = field(default=None, compare=False, repr=False)
    action_cells: ActionCells | None = field(default=None, compare=False, repr=False)
    has_chance: bool = False

    @property
    def seen(self) -> EnvSpec:
        """The same with the observations that a network sees: without mask and history, planes with pixels to 1."""
        if self.parts is None:
            return self
        shape = self.parts.seen_shape
        pixel_max = (self.pixel_max or 1.0) if len(shape) == 3 else None
        return replace(self, observation_shape=shape, parts=None, pixel_max=pixel_max)

    def see(self, observation: Any) -> Any:
        """Return what a network sees of observations ``[..., *observation_shape]``."""
        return observation if self.parts is None else self.parts.seen(observation)

    def legal_actions(self, observation: Any) -> Any | None:
        """Return which actions are allowed, ``[..., A]`` bool, or ``None`` where all of them always are."""
        return self.parts.legal_actions(observation) if self.parts is not None and self.parts.num_masked else None

    @property
    def has_mask(self) -> bool:
        """Whether observations say which actions are allowed."""
        return self.parts is not None and self.parts.num_masked > 0

    @property
    def is_image(self) -> bool:
        is_of_bytes = self.observation_dtype == "uint8"
        return len(self.observation_shape) == 3 and (is_of_bytes or self.pixel_max is not None)

    @property
    def shows_pictures(self) -> bool:
        """Whether a network sees pixels, alone or beside a mask; boards have none."""
        return self.is_image or (self.parts is not None and self.pixel_max is not None and self.seen.is_image)

    @property
    def is_discrete(self) -> bool:
        """Whether an action is a choice among options, or several of them at once, and nothing else."""
        return self.num_actions is not None or (bool(self.action_sizes) and not self.action_low)

    @property
    def is_hybrid(self) -> bool:
        """Whether an action is choices and continuous numbers at once."""
        return bool(self.action_sizes) and bool(self.action_low)

    @property
    def action_dtype(self) -> str:
        return "int64" if self.is_discrete else "float32"

    @property
    def observation_size(self) -> int:
        """Numbers in one observation."""
        return math.prod(self.observation_shape)

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

    @property
    def turn_passes(self) -> np.ndarray | None:
        """Where ``[N]`` the observation is the opponent's; ``None``: never."""
        return None


class ReceivedInTurns(Received):
    """What came back in games in which two players take turns."""

    turn_passes: np.ndarray = None  # type: ignore[assignment]  # [N] bool, the observation is the opponent's

    @classmethod
    def of(cls, received: Received, turn_passes: np.ndarray) -> ReceivedInTurns:
        """Add to what came back where the turn passes."""
        made = cls(*received)
        made.turn_passes = turn_passes
        return made


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


class FewStarts(Protocol):
    """A game whose spec has ``num_starts``."""

    def start_of(self, seed: int) -> int:
        """Return which of ``num_starts`` episodes a seed chooses, from 0."""
        ...


@runtime_checkable
class Opposed(Protocol):
    """A game that can play one of two sides itself."""

    def face_opponent(self) -> None:
        """Play the other side from the next reset on, as the opponent of evaluations."""
        ...


@runtime_checkable
class Exploitable(Protocol):
    """A game of two players in which everything that they may know can be looked through."""

    def information_states(self) -> np.ndarray:
        """Return what players may know when it is their turn, as observations ``[S, *observation_shape]``."""
        ...

    def nash_conv(self, action_probs: np.ndarray) -> float:
        """Return what best responses win from the policy ``[S, A]`` in those, added over both players."""
        ...


GameFactory = Callable[[int], Game]  # num_envs -> fresh environments
