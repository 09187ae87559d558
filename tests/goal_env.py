"""Small environments with goals, one of them that of the paper on hindsight: Andrychowicz et al. 2017, section 3.1."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary


class Walk(gymnasium.Env):
    """A point that walks on a plane; 0 at the goal and -1 elsewhere. Episodes of 5 to 12 steps, one length to a seed.

    Args:
        ends_at_goal: reaching the goal ends the episode.
        is_single: its ``compute_reward`` takes one pair of goals alone.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  (Gymnasium's own form)
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self, render_mode=None, ends_at_goal=False, is_single=False):
        self.render_mode, self.ends_at_goal, self.is_single = render_mode, ends_at_goal, is_single
        plane = Box(-np.inf, np.inf, (2,))
        self.observation_space = Dict({"observation": Box(-np.inf, np.inf, (1,)), "achieved_goal": plane,
                                       "desired_goal": plane})  # fmt: skip

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time = np.zeros(2, np.float32), 0
        self.goal = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        self.length = int(self.np_random.integers(5, 13))
        return self.show(), {}

    def step(self, action):
        self.place, self.time = self.place + 0.5 * action, self.time + 1
        reward = self.compute_reward(self.place, self.goal, {})
        terminated = self.compute_terminated(self.place, self.goal, {})
        return self.show(), reward, terminated, self.time == self.length, {}

    def show(self):
        time = np.array([self.time], np.float32)
        return {"observation": time, "achieved_goal": self.place.copy(), "desired_goal": self.goal.copy()}

    def compute_reward(self, achieved_goal, desired_goal, info):
        assert not self.is_single or achieved_goal.shape == (2,)
        return -(np.linalg.norm(achieved_goal - desired_goal, axis=-1) > 0.5).astype(np.float32)

    def compute_terminated(self, achieved_goal, desired_goal, info):
        return bool(self.ends_at_goal and np.linalg.norm(achieved_goal - desired_goal) <= 0.5)  # of one pair alone

    def render(self):
        return np.full((20, 20, 3), 20 * min(self.time, 12), np.uint8)


class BitFlip(gymnasium.Env):
    """Bits, one of which a step flips; 0 where all are as the goal has them and -1 elsewhere, as many steps as bits."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, render_mode=None, num_bits=10):
        self.render_mode, self.num_bits = render_mode, num_bits
        bits = MultiBinary(num_bits)
        self.observation_space = Dict({"observation": bits, "achieved_goal": bits, "desired_goal": bits})
        self.action_space = Discrete(num_bits)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.bits, self.goal = self.np_random.integers(0, 2, (2, self.num_bits)).astype(np.int8)
        self.time = 0
        return self.show(), {}

    def step(self, action):
        self.bits[action] ^= 1
        self.time += 1
        is_over = bool((self.bits == self.goal).all())
        return self.show(), self.compute_reward(self.bits, self.goal, {}), is_over, self.time == self.num_bits, {}

    def show(self):
        return {"observation": self.bits.copy(), "achieved_goal": self.bits.copy(), "desired_goal": self.goal.copy()}

    def compute_reward(self, achieved_goal, desired_goal, info):
        return np.float32(0) - (achieved_goal != desired_goal).any(axis=-1)

    def compute_terminated(self, achieved_goal, desired_goal, info):
        return (achieved_goal == desired_goal).all(axis=-1)

    def render(self):
        return np.full((20, 20, 3), 255 * int(self.bits[0]), np.uint8)


class Silent(Walk):
    """Whose reward depends on what it tells beside its observation."""

    def step(self, action):
        return self.show(), 1.0, False, True, {"bonus": 1.0}

    def compute_reward(self, achieved_goal, desired_goal, info):
        return info["bonus"]


gymnasium.register("Walk-v0", entry_point=Walk)
gymnasium.register("BitFlip-v0", entry_point=BitFlip)
gymnasium.register("Silent-v0", entry_point=Silent)
