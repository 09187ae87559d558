"""Environments that trouble a run: env=gym env.id=tests.broken_env:Broken-v0, or Uneven-v0, or a wrapper of them."""

import os
import random
import signal
import time

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete


class Broken(gymnasium.Env):
    """Counts its steps over all episodes; after ``num_good_steps`` of them, observations are NaN."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(self, num_good_steps=400, render_mode=None):
        self.observation_space, self.action_space = Box(-np.inf, np.inf, (3,), np.float32), Discrete(2)
        self.num_good_steps, self.steps, self.time, self.render_mode = num_good_steps, 0, 0, render_mode

    def _observe(self):
        return np.full(3, self.time if self.steps <= self.num_good_steps else np.nan, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._observe(), {}

    def step(self, action):
        self.steps, self.time = self.steps + 1, self.time + 1
        return self._observe(), 1.0, self.time == 10, False, {}

    def render(self):
        return np.zeros((16, 16, 3), np.uint8)


gymnasium.register("Broken-v0", entry_point="tests.broken_env:Broken")


class Lucky(Broken):
    """Pays by a chance that no seed decides."""

    def step(self, action):
        observation, _, *over = super().step(action)
        return observation, random.random(), *over


gymnasium.register("Lucky-v0", entry_point="tests.broken_env:Lucky", kwargs={"num_good_steps": 10**9})


class Uneven(gymnasium.Env):
    """Takes up to 60 milliseconds for a step, each time another while."""

    def __init__(self, render_mode=None):
        self.observation_space, self.action_space = Box(-1, 1, (3,), np.float32), Discrete(2)
        self.time, self.render_mode = 0, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        time.sleep(self.np_random.uniform(0, 0.06))
        self.time += 1
        return np.zeros(3, np.float32), 1.0, self.time == 10, False, {}


def cannot_be_reached():
    """A logger whose server is down."""
    raise ConnectionError("no route to the server")


class Undrawable(gymnasium.Wrapper):
    """Has no pictures."""

    def render(self):
        raise ConnectionError("there is no display\nand no second line")


class Signalling(gymnasium.Wrapper):
    """Sends SIGTERM to its own process where it is to be drawn, if the environment variable says so."""

    def render(self):
        if "SIGNAL_IN_RENDER" in os.environ:
            signal.raise_signal(signal.SIGTERM)
        return self.env.render()


class SignallingStep(gymnasium.Wrapper):
    """Sends SIGTERM to its own process in its n-th step over all episodes, if the environment variable says so."""

    steps = 0

    def step(self, action):
        self.steps += 1
        if str(self.steps) == os.environ.get("SIGNAL_IN_STEP"):
            signal.raise_signal(signal.SIGTERM)
        return self.env.step(action)


gymnasium.register("Uneven-v0", entry_point="tests.broken_env:Uneven")
