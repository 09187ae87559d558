"""Small environments that are odd and legal, of the kinds that users bring."""

from __future__ import annotations

import os

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple

LARGEST = np.finfo(np.float32).max


class Odd(gymnasium.Env):
    """Ten steps; a step pays 1 where the mean of the action is above a half. Subclasses are odd in one way each."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  (Gymnasium's own form)
    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Discrete(2)
    num_steps = 10

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.show(), self.tell()

    def step(self, action):
        self.time += 1
        is_over = self.num_steps is not None and self.time >= self.num_steps
        return self.show(), self.pay(action), is_over, False, self.tell()

    def show(self):
        return np.full(2, min(self.time / 10, 1), np.float32)

    def pay(self, action):
        return float(np.mean(action) > 0.5)

    def tell(self):
        return {}

    def render(self):
        return np.full((20, 20, 3), 20 * min(self.time, 12), np.uint8)


class Huge(Odd):
    action_space = Box(-LARGEST, LARGEST, (1,), np.float32)


class Half(Odd):
    action_space = Box(np.float32(0), np.float32(np.inf), (1,), np.float32)


class Multi(Odd):
    action_space = MultiDiscrete([2, 3])


class MultiStart(Odd):
    """Pays 1 where both choices are the last ones, which are numbered 2 and 5."""

    action_space = MultiDiscrete([2, 3], start=[1, 3])

    def pay(self, action):
        assert self.action_space.contains(action)
        return float(np.sum(action) == 7)


class Whole(Odd):
    """Takes two numbers of 0, 1, 2, 3 and 4, in their own type."""

    action_space = Box(0, 4, (2,), np.int32)

    def pay(self, action):
        assert self.action_space.contains(action)
        return float(action[0])


class Small(Odd):
    """Takes choices of another type than int64."""

    action_space = MultiDiscrete([3, 4], dtype=np.int32)

    def pay(self, action):
        assert self.action_space.contains(action)
        return float(np.sum(action) == 5)


class SmallNested(Odd):
    action_space = Tuple((Discrete(3, start=2, dtype=np.int32), Box(-2, 2, (1,), np.int64)))

    def pay(self, action):
        assert self.action_space.contains(action)
        return float(action[1][0])


class SmallStart(Odd):
    action_space = Discrete(3, start=2, dtype=np.int32)

    def pay(self, action):
        assert self.action_space.contains(action)
        return float(action == 4)


class Binary(Odd):
    action_space = MultiBinary(3)


class Start(Odd):
    action_space = Discrete(2, start=1)

    def pay(self, action):
        assert action in (1, 2)
        return float(action == 2)


class Scalar(Odd):
    observation_space = Box(-1, 1, (), np.float32)

    def show(self):
        return np.float32(min(self.time / 10, 1))


class ArrayReward(Odd):
    def pay(self, action):
        return np.array([super().pay(action)], np.float32)


class WrongReward(Odd):
    def pay(self, action):
        return np.zeros(2) if self.time > 1 else 0.0


class Grows(Odd):
    """Shows a number more after its second step."""

    def show(self):
        return np.zeros(2 + (self.time > 1), np.float32)


class Shrinks(Odd):
    """Shows one number after its second step, of which NumPy would make two."""

    def show(self):
        return np.zeros(2 - (self.time > 1), np.float32)


class GrowsWithin(Odd):
    observation_space = Dict({"a": Box(-1, 1, (2,), np.float32), "b": Discrete(3)})

    def show(self):
        return {"a": np.zeros(2 + (self.time > 1), np.float32), "b": 1}


class PaysMuch(Odd):
    def pay(self, action):
        return 1e39 if self.time > 1 else 0.0


class Elsewhere(Odd):
    """Goes to another folder to find its files."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        os.chdir("/")


class NoInfos(Odd):
    def step(self, action):
        *outcome, _ = super().step(action)
        return *outcome, None


class Leaves(Odd):
    """Ends the process at a step, as many a game does whose window is closed."""

    last_step = 1

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps >= self.last_step:
            raise SystemExit(3)
        return super().step(action)


class LeavesLate(Leaves):
    last_step = 60


class NoReward(Odd):
    def step(self, action):
        observation, _, *ends, infos = super().step(action)
        return observation, None, *ends, infos


class Dicts(Odd):
    observation_space = Dict(a=Box(-1, 1, (2,), np.float32), b=Discrete(4))

    def show(self):
        return {"a": super().show(), "b": self.time % 4}


class Tuples(Odd):
    observation_space = Tuple((Discrete(4), Discrete(2)))

    def show(self):
        return self.time % 4, self.time % 2


class Infos(Odd):
    """Tells something of another type or shape at every step, and lives that are no number."""

    def tell(self):
        wild = [{"x": np.arange(1)}, {"x": None, "lives": None}, {"x": "hit", "lives": "three"}, {"x": np.arange(3)}]
        return wild[int(self.np_random.integers(4))]


class Options(Odd):
    """Reads a key of its options where it is given some."""

    def reset(self, *, seed=None, options=None):
        self.level = options["level"] if options is not None else 0
        return super().reset(seed=seed)


class Never(Odd):
    num_steps = None


class NeverAfter(Never):
    """Ends with action 0 alone: who has learnt to take the other never ends it."""

    def step(self, action):
        observation, reward, _, is_truncated, told = super().step(action)
        return observation, reward, bool(action == 0), is_truncated, told


class NoSeed(Odd):
    """Ends when it likes, whatever its seed."""

    def reset(self, *, seed=None, options=None):
        self.num_steps = 2 + os.urandom(1)[0] % 20
        return super().reset()


class InfoArrays(Odd):
    """Tells an array of another length in every copy."""

    def tell(self):
        return {"legal": np.arange(int(self.np_random.integers(1, 4)))}


class Words(Odd):
    observation_space = Text(5)


class Cube(Odd):
    observation_space = Box(0, 255, (8, 8, 8), np.uint8)

    def show(self):
        return np.full((8, 8, 8), 20 * min(self.time, 12), np.uint8)


class NoPicture(Odd):
    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self):
        super().__init__()


class NoMode(Odd):
    """Has a picture, and does not say so."""

    metadata = {"render_modes": ["human"]}  # noqa: RUF012


class Sizes(Odd):
    """Numbers of very different size, of which the small one counts."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)

    def show(self):
        return np.array([1e4, min(self.time / 10, 1), 5e5], np.float32)


class Stones(Odd):
    """A board of 6 x 7; the side on which the stone lies says which action pays. Eight at best."""

    num_steps, stone, largest, dtype = 8, 1, 2, np.uint8

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        self.observation_space = Box(0, self.largest, (6, 7), self.dtype)

    def show(self):
        self.side = int(self.np_random.integers(2))
        board = np.zeros((6, 7), self.dtype)
        board[3, 1 + 4 * self.side] = self.stone
        return board

    def step(self, action):
        reward = float(action == self.side)
        self.time += 1
        return self.show(), reward, self.time >= self.num_steps, False, {}


class Stones255(Stones):
    stone, largest = 255, 255


class StonesFloat(Stones):
    dtype = np.float32


class StonesWide(Stones):
    stone, largest, dtype = 65535, 65535, np.uint16


class Knobs(Odd):
    """Shows which of three knobs to turn and how far; pays up to 1 a step, and nothing where either is wrong."""

    observation_space = Box(-1, 1, (4,), np.float32)
    action_space = Tuple((Discrete(3), Box(-1, 1, (1,), np.float32)))

    def show(self):
        self.knob, self.angle = int(self.np_random.integers(3)), float(self.np_random.uniform(-1, 1))
        return np.array([*np.eye(3)[self.knob], self.angle], np.float32)

    def step(self, action):
        assert self.action_space.contains(action)
        knob, (angle,) = action
        reward = float(knob == self.knob) * max(0.0, 1 - 2 * abs(float(angle) - self.angle))
        self.time += 1
        return self.show(), reward, self.time >= self.num_steps, False, {}


class Spoken(Odd):
    action_space = Tuple((Discrete(2), Text(5)))


class Nested(Odd):
    """Actions of every kind, a level deep; a step pays what can be read back of each of them."""

    action_space = Dict(
        tool=Discrete(3, start=1),
        both=Tuple((MultiBinary(2), Box(np.array([-2.0, 0.0]), np.array([2.0, 0.1]), dtype=np.float64))),
        many=MultiDiscrete([2, 3]),
        whole=Box(0, 5, (), np.int64),
    )

    def pay(self, action):
        assert self.action_space.contains(action), action
        bits, numbers = action["both"]
        places = [int(action["tool"]), *bits, *action["many"], int(action["whole"])]
        return float(np.sum(np.array(places) * 10.0 ** np.arange(6)) + numbers.sum())


for _odd in [*Odd.__subclasses__(), *Stones.__subclasses__(), NeverAfter, LeavesLate]:
    gymnasium.register(f"{_odd.__name__}-v0", entry_point=_odd)
