"""Environments that show a goal to reach and the one that is reached, as Gymnasium-Robotics has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, MultiBinary

from triptych.types import GoalRule

ACHIEVED, DESIRED = "achieved_goal", "desired_goal"


def goal_rule(env: gymnasium.Env) -> GoalRule | None:
    """Return where an environment shows its goals and what reaching them is worth; ``None`` where it does not say.

    It says so by a Dict with ``achieved_goal`` and ``desired_goal``, a Box or MultiBinary of one shape, and by
    ``compute_reward(achieved_goal, desired_goal, info)``, which must do without infos.
    """
    space, inner = env.observation_space, env.unwrapped
    compute_reward: Any = getattr(inner, "compute_reward", None)
    if not isinstance(space, Dict) or not {ACHIEVED, DESIRED} <= space.keys() or compute_reward is None:
        return None
    goal, other = space[ACHIEVED], space[DESIRED]
    if not isinstance(goal, Box | MultiBinary) or goal.shape != other.shape:
        return None
    try:
        reward = _of_rows(compute_reward, goal)
        terminated = getattr(inner, "compute_terminated", None)
        is_terminal = None if terminated is None else _of_rows(terminated, goal)
    except Exception:  # what it asks of the infos, which are not remembered, may fail in any way
        return None
    return GoalRule(_place(space, ACHIEVED), _place(space, DESIRED), reward, is_terminal)


def _place(space: Dict, name: str) -> slice:
    """Return where a part of a Dict stands in the vector that Gymnasium makes of it."""
    start = 0
    for key, part in space.items():
        size = gymnasium.spaces.flatdim(part)
        if key == name:
            return slice(start, start + size)
        start += size
    raise KeyError(name)


def _of_rows(function: Callable[..., Any], goal: Box | MultiBinary) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Ask ``function(achieved_goal, desired_goal, info)`` for rows of goals: at once where it can, else one by one."""

    def one_by_one(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        answers = [float(function(*pair, {})) for pair in zip(achieved, desired, strict=True)]
        return np.array(answers, dtype=np.float32)

    def at_once(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return np.asarray(function(achieved, desired, {}), dtype=np.float32)

    pairs = np.stack([goal.sample() for _ in range(4)]), np.stack([goal.sample() for _ in range(4)])
    pairs[1][0] = pairs[0][0]  # one of them is reached
    expected = one_by_one(*pairs)
    try:
        can_at_once = np.allclose(at_once(*pairs), expected) and at_once(*pairs).shape == expected.shape
    except Exception:  # it was written for single goals
        can_at_once = False
    ask = at_once if can_at_once else one_by_one

    def answer(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        shape = (len(achieved), *(goal.shape or ()))
        return ask(achieved.reshape(shape).astype(goal.dtype), desired.reshape(shape).astype(goal.dtype))

    return answer
