"""Scripted environments, whose every observation says where it comes from, and slow references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from triptych.collect.collector import Collector
from triptych.types import EnvSpec, Received, Step

START = 100  # the time that the first observation of an episode shows


@dataclass(frozen=True)
class Script:
    """What one episode does: its rewards, how it ends, and the lives after each step."""

    rewards: Sequence[float]
    end: str = "terminated"  # or truncated, or both
    lives: Sequence[int] = ()
    first_lives: int = 0


ScriptOf = Callable[[int, int, int], Script]  # env_index, episode_index, seed


def random_script(env_index: int, episode_index: int, seed: int) -> Script:
    """Make an episode of 1 to 9 steps from its seed, with lost lives and both kinds of ends."""
    rng = np.random.default_rng(seed)
    length = int(rng.integers(1, 10))
    rewards = np.round(rng.normal(scale=2, size=length), 2).tolist()
    lives = np.sort(rng.integers(1, 4, size=length))[::-1].tolist()
    return Script(rewards, str(rng.choice(["terminated", "truncated", "both"])), lives, first_lives=3)


def scripts_in_order(scripts: Sequence[Script]) -> ScriptOf:
    """Give each environment these episodes, one after the other, then again from the first."""
    return lambda env_index, episode_index, seed: scripts[episode_index % len(scripts)]


class Label(NamedTuple):
    """Where an observation comes from."""

    env_index: int
    episode_index: int
    time: int


class ScriptedGame:
    """Plays scripts. Each frame shows its environment, episode and time, so that no two are the same.

    The frames of the first stack all differ. Actions do nothing and are kept. Use that breaks the protocol,
    such as stepping an ended episode, fails; so does the reset of a running one, unless episodes ``may_be_cut``.
    One that ``shows_seed`` shows the episode's seed instead of its number, so that playing it again shows the same.
    """

    def __init__(
        self,
        script_of: ScriptOf,
        num_envs: int = 1,
        *,
        frame_stack: int = 1,
        is_image: bool = True,
        num_channels: int = 1,
        may_be_cut: bool = False,
        shows_seed: bool = False,
    ) -> None:
        self.script_of, self.num_envs, self.frame_stack, self.is_image = (
            script_of,
            num_envs,
            frame_stack,
            is_image,
        )
        self.num_channels, self.may_be_cut, self.shows_seed = num_channels, may_be_cut, shows_seed
        self.spec = EnvSpec(
            name="scripted",
            protocol="none",
            observation_shape=(frame_stack * num_channels, 1, 5) if is_image else (5,),
            observation_dtype="uint8" if is_image else "float32",
            num_actions=3,
            frame_stack=frame_stack,
            frame_skip=2,
        )
        self.episode_index = [-1] * num_envs
        self.seeds: list[list[int]] = [[] for _ in range(num_envs)]
        self.sent: list[np.ndarray] = []
        self.is_closed = False
        self._scripts: list[Script | None] = [None] * num_envs
        self._time = [0] * num_envs
        self._is_over = [True] * num_envs
        self._action: np.ndarray | None = None

    def _frame(self, env_index: int, time: int) -> list[list[int]]:
        high, low = divmod(self.episode_index[env_index], 256)
        return [[env_index, high, low, START + time, 7 + channel] for channel in range(self.num_channels)]

    def _observe(self) -> np.ndarray:
        stacks = [
            [self._frame(env_index, self._time[env_index] - age) for age in reversed(range(self.frame_stack))]
            for env_index in range(self.num_envs)
        ]
        return np.array(stacks, self.spec.observation_dtype).reshape(self.num_envs, *self.spec.observation_shape)

    def _lives(self) -> np.ndarray:
        lives = []
        for script, time in zip(self._scripts, self._time, strict=True):
            lives.append(script.first_lives if time == 0 else ([*script.lives] or [0] * time)[time - 1])
        return np.array(lives, dtype=np.int64)

    def reset(self, seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self._action is None, "reset between send and receive"
        for env_index, seed in zip(np.flatnonzero(mask).tolist(), seeds.tolist(), strict=True):
            assert self._is_over[env_index] or self.may_be_cut, "reset of a running episode"
            self.episode_index[env_index] += 1
            self.seeds[env_index].append(seed)
            self._scripts[env_index] = self.script_of(env_index, self.episode_index[env_index], seed)
            if self.shows_seed:
                self.episode_index[env_index] = seed % 2**16
            self._time[env_index], self._is_over[env_index] = 0, False
        return self._observe(), np.where(mask, self._lives(), 0)  # as Gymnasium's: nothing of the others

    def send(self, action: np.ndarray) -> None:
        assert self._action is None, "two sends in a row"
        assert not any(self._is_over), "a step after the end"
        assert action.shape == (self.num_envs,)
        self._action = action
        self.sent.append(action.copy())

    def receive(self) -> Received:
        assert self._action is not None, "receive without send"
        self._action = None
        reward, terminated, truncated = [], [], []
        for env_index, script in enumerate(self._scripts):
            reward.append(script.rewards[self._time[env_index]])
            self._time[env_index] += 1
            is_over = self._time[env_index] == len(script.rewards)
            self._is_over[env_index] = is_over
            terminated.append(is_over and script.end in ("terminated", "both"))
            truncated.append(is_over and script.end in ("truncated", "both"))
        rewards = np.array(reward, dtype=np.float32)
        return Received(self._observe(), rewards, np.array(terminated), np.array(truncated), self._lives())

    def close(self) -> None:
        self.is_closed = True


def label(observation: np.ndarray) -> Label:
    """Read where the newest frame of one observation comes from."""
    env_index, high, low, time, _ = np.asarray(observation).reshape(-1, 5)[-1].astype(int).tolist()
    return Label(env_index, high * 256 + low, time - START)


class RandomAct:
    """Chooses at random and keeps what it saw."""

    def __init__(self, seed: int = 0, num_actions: int = 3) -> None:
        self.generator, self.num_actions = np.random.default_rng(seed), num_actions
        self.observations: list[np.ndarray] = []

    def __call__(self, observation: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        self.observations.append(observation.copy())
        return self.generator.integers(self.num_actions, size=len(observation)), {}


class GaussianAct:
    """Chooses continuous actions, float32, that often leave the bounds."""

    def __init__(self, spec: EnvSpec, seed: int = 0) -> None:
        self.generator, self.shape = np.random.default_rng(seed), spec.action_shape
        self.scale = np.max(spec.action_high)

    def __call__(self, observation: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        action = self.generator.normal(scale=self.scale, size=(len(observation), *self.shape))
        return action.astype(np.float32), {}


def random_act(spec: EnvSpec, seed: int = 0) -> RandomAct | GaussianAct:
    """Choose at random whatever the actions are."""
    return GaussianAct(spec, seed) if spec.num_actions is None else RandomAct(seed, spec.num_actions)


def collect(collector: Collector, num_vector_steps: int) -> list[Step]:
    """Play with copies of every array, so that later changes in place would show."""
    steps = []
    for _ in range(num_vector_steps):
        step, _ = collector.receive()
        steps.append(Step(*(field if isinstance(field, dict) else field.copy() for field in step)))
    return steps


class Window(NamedTuple):
    """An n-step window as the definition has it."""

    num_steps: int
    reward: float
    discount: float


def reference_window(
    rewards: Sequence[float],
    is_terminal: Sequence[bool],
    is_last: Sequence[bool],
    start: int,
    n_step: int,
    discount: float,
) -> Window | None:
    """Compute the window that opens at step ``start`` of one environment, ``None`` while it is open."""
    total, factor = 0.0, 1.0
    for num_steps, step in enumerate(range(start, len(rewards)), start=1):
        total += factor * rewards[step]
        factor *= 0.0 if is_terminal[step] else discount
        if is_last[step] or num_steps == n_step:
            return Window(num_steps, total, factor)
    return None


def is_equal(one: object, other: object) -> bool:
    """Compare nested state, tensors included."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(is_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_equal, one, other))  # type: ignore[arg-type]
    return one == other


class BrokenGame(ScriptedGame):
    """In which a number of environment 1 is not finite at one vector step."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(lambda *_: Script([0.0] * 9), 2, is_image=False)
        self.what, self.at = what, at

    def receive(self) -> Received:
        received = super().receive()
        if len(self.sent) == self.at:
            getattr(received, self.what)[1] = np.nan
        return received
