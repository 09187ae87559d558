"""Environments that say in ``info["action_mask"]`` which of their actions are allowed."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space, Tuple

from triptych.envs.nested_actions import Leaf, flat_space, leaves
from triptych.types import ConfigurationError

NAME = "action_mask"


def gives_mask(env: gymnasium.Env, name: str) -> bool:
    """Whether an environment says what is allowed, when it is reset or after its first step. It is reset and stepped.

    Args:
        env: with its wrappers; it keeps to Gymnasium's interface.
        name: of the environment, for the message.

    Raises:
        ConfigurationError: what it says is not a number for each option of one discrete choice.
    """
    _, info = env.reset(seed=0)
    mask = info.get(NAME)
    if mask is None and can_try(env.action_space):
        info = env.step(some_action(env.action_space))[-1]
        mask = info.get(NAME) if isinstance(info, dict) else None
    if mask is None:
        return False
    space = flat_space(env.action_space) if isinstance(env.action_space, Tuple | Dict) else env.action_space
    try:
        shape = list(np.shape(mask))
    except ValueError:  # parts of different lengths
        shape = []
    has_nan = shape != [] and np.isnan(np.asarray(mask, np.float64)).any()
    if not isinstance(space, Discrete) or shape != [int(space.n)] or has_nan:
        wanted = f"an array of shape [{space.n}]" if isinstance(space, Discrete) else "for one discrete choice"
        given = f"of shape {shape}" if shape else f"of type {type(mask).__name__}"
        given = "with NaN in it" if has_nan else given
        raise ConfigurationError(
            f'env.id={name} gives an info["action_mask"] {given} for its actions {env.action_space}, but a mask here '
            f"is {wanted}. Put a wrapper around it that gives one, by env.wrappers, or say env.action_masks=false, "
            "with which all actions are played."
        )
    return True


def some_action(space: Space, mask: Any = None) -> Any:
    """Return an allowed action: of numbers those nearest to zero, of choices one drawn by a fixed seed."""
    if isinstance(space, Box):
        return np.clip(np.zeros(space.shape), space.low, space.high).astype(space.dtype)
    if isinstance(space, Tuple):
        return tuple(some_action(part) for part in space)
    if isinstance(space, Dict):
        return {name: some_action(part) for name, part in space.items()}
    if isinstance(space, Discrete) and np.shape(mask) == (int(space.n),) and np.any(mask):
        return space.start + np.flatnonzero(mask)[0]
    space.seed(0)
    return space.sample()


def can_try(space: Space) -> bool:
    """Whether `some_action` knows actions of a space."""
    return all(isinstance(leaf, Leaf) for leaf in leaves(space))


class MaskedObservation(gymnasium.Wrapper):
    """Shows observations as flat vectors of float32, with a 1 for each allowed action behind them and else a 0.

    An environment that gives no mask for a while, or one that allows nothing, as some do at an end, allows all actions.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        assert isinstance(env.action_space, Discrete)
        self.num_actions = int(env.action_space.n)
        size = int(np.prod(env.observation_space.shape or ())) + self.num_actions
        self.observation_space = Box(-np.inf, np.inf, (size,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._masked(observation, info), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._masked(observation, info), reward, terminated, truncated, info

    def _masked(self, observation: Any, info: dict[str, Any]) -> np.ndarray:
        mask = info.pop(NAME, None)
        allowed = np.zeros(self.num_actions, bool) if mask is None else np.asarray(mask, np.float32) > 0
        if not allowed.any():
            allowed = np.ones(self.num_actions, bool)
        return np.concatenate([np.ravel(observation).astype(np.float32), allowed.astype(np.float32)])
