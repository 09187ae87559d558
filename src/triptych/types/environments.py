"""What an environment is, and what passes between it and whoever steps it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np


class TableModel(NamedTuple):
    """How an environment with numbered states goes on, as it says of itself: to measure what was learned by.

    A grid shows its states as cells, row by row; ``moves`` has the step in rows and columns of each action, down and
    right being positive.
    """

    transition: np.ndarray  # [S, A, S] float64, probabilities
    reward: np.ndarray  # [S, A] float64, expected
    is_terminal: np.ndarray  # [S] bool, an episode ends there
    is_reachable: np.ndarray  # [S] bool, an episode can come there
    grid_shape: tuple[int, int] | None = None  # rows and columns; ``None`` where the states are no cells
    moves: tuple[tuple[int, int], ...] = ()  # [A], of a grid


class ObservationParts(NamedTuple):
    """What the numbers of a flat observation are, one after the other; arrays and tensors ``[..., size]`` alike.

    First what is seen; then, where there is a mask, a 1 for each action that is allowed now and a 0 for each that is
    not; then, where there is a history, the actions of the game so far, each plus one, and zeros up to its length;
    last, where there is a seat, the number of the player who is to move.
    """

    seen_shape: tuple[int, ...]  # of what a network sees, (C, H, W) for planes
    num_masked: int = 0  # actions in the mask, 0 where there is none
    history_length: int = 0  # actions that a history has room for
    has_seat: bool = False

    @property
    def size(self) -> int:
        """Numbers in one observation."""
        return math.prod(self.seen_shape) + self.num_masked + self.history_length + self.has_seat

    def seen(self, observation: Any) -> Any:
        """Return what a network sees, ``[..., *seen_shape]``."""
        flat = observation[..., : math.prod(self.seen_shape)]
        return flat.reshape(*observation.shape[:-1], *self.seen_shape)

    def legal_actions(self, observation: Any) -> Any:
        """Return which actions are allowed, ``[..., A]`` bool."""
        begin = math.prod(self.seen_shape)
        return observation[..., begin : begin + self.num_masked] > 0

    def history(self, observation: Any) -> list[int]:
        """Return the actions so far of one observation ``[size]``."""
        begin = math.prod(self.seen_shape) + self.num_masked
        numbers = observation[begin : begin + self.history_length].tolist()
        return [int(number) - 1 for number in numbers if number > 0]

    def seat(self, observation: Any) -> Any:
        """Return who is to move, ``[...]``: 0 for the player who moves first in a game, 1 for the other."""
        return observation[..., -1]


class BoardSymmetries(NamedTuple):
    """G ways to turn and mirror a board after which the game is the same, the first of them nothing at all.

    After way g, cell i shows what was in cell ``cells[g, i]``, and action i does what ``actions[g, i]`` did.
    """

    cells: np.ndarray  # [G, H · W] int64
    actions: np.ndarray  # [G, A] int64


class ActionCells(NamedTuple):
    """Where on a picture of a board its actions are: of each the row and the column of its cell, from the upper left.

    ``None`` of an action that is no cell, such as a pass.
    """

    rows: int
    columns: int
    cells: tuple[tuple[int, int] | None, ...]  # [A]


class Outcome(NamedTuple):
    """What came of B moves by the rules of a game."""

    positions: np.ndarray  # [B] int64, numbers of the new positions
    observation: np.ndarray  # [B, *observation_shape], for whoever is to move there
    reward: np.ndarray  # [B] float32, to the player who moved
    is_terminal: np.ndarray  # [B] bool
    turn_passes: np.ndarray  # [B] bool, the opponent is to move there


class Rules(Protocol):
    """The true rules of a game, to plan with: positions, by numbers, and the moves between them."""

    def set_up(self, observation: np.ndarray) -> np.ndarray:
        """Forget all positions and return the numbers ``[B]`` of those that the observations ``[B, ...]`` show."""
        ...

    def play(self, positions: np.ndarray, actions: np.ndarray) -> Outcome:
        """Make moves ``[B]`` in positions ``[B]``, which stay as they are.

        A position that is over stays over, worth nothing; a move that is not allowed loses the game.
        """
        ...


class GoalRule(NamedTuple):
    """Where an environment shows a goal to reach and the one that is reached, and what reaching it is worth.

    Goals are rows of G numbers of the vector that an observation is. A reward depends on the goal that is reached
    after the step and on the one to reach, and on nothing else.
    """

    achieved: slice  # the goal that is reached, of the vector
    desired: slice  # the goal to reach
    reward: Callable[[np.ndarray, np.ndarray], np.ndarray]  # achieved [B, G], desired [B, G] -> [B] float32
    # Likewise: whether the episode ends there, as 0 or 1. ``None`` where that is not known: as it was played.
    is_terminal: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


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
        action_low, action_high: bounds of continuous actions, likewise flattened. Where there are ``action_sizes`` as
            well, an action is a row ``[C + D]`` float32: the options of the C choices, as whole numbers, and behind
            them the D continuous numbers.
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
