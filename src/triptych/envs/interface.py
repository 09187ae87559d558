"""Whether an environment keeps to Gymnasium's interface: found by one reset and one step, before a run starts."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple

from triptych.envs.masks import NAME, can_try, some_action

NUM_RETURNED = 5  # by step: observation, reward, terminated, truncated, info
NUMBERS = "biuf"  # NumPy's kinds of them


def what_is_wrong(env: gymnasium.Env) -> str | None:
    """Say in a sentence where an environment does not keep to the interface; ``None`` where it does.

    The environment is reset and stepped once. What it raises itself is not caught.
    """
    for name in ("observation_space", "action_space"):
        if not isinstance(getattr(env, name, None), Space):
            return f"it has no {name} that is a space of Gymnasium's"
    if not _takes_seed(env.reset):
        return "reset() takes no seed; it is reset(self, *, seed=None, options=None)"
    with warnings.catch_warnings():  # Gymnasium's, of what is told here
        warnings.simplefilter("ignore")
        return _play(env)


def _takes_seed(reset: Any) -> bool:
    parameters = inspect.signature(reset).parameters
    return "seed" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def _play(env: gymnasium.Env) -> str | None:
    started: Any = env.reset(seed=0)
    if not isinstance(started, tuple) or len(started) != 2:
        return f"reset() returns {_kind(started)} and not (observation, infos)"
    if not isinstance(started[1], dict):
        return f"the infos of reset() are {_kind(started[1])} and not a dict"
    wrong = misfit(env.observation_space, started[0])
    if wrong is not None:
        return f"the observation of reset() {wrong}"
    if not can_try(env.action_space):
        return None  # there is no action to try; which kinds are played is told by their rule
    stepped: Any = env.step(some_action(env.action_space, started[1].get(NAME)))
    if not isinstance(stepped, tuple) or len(stepped) != NUM_RETURNED:
        return f"step() returns {_kind(stepped)} and not (observation, reward, terminated, truncated, infos)"
    wrong = misfit(env.observation_space, stepped[0])
    if wrong is not None:
        return f"the observation of step() {wrong}"
    if not isinstance(stepped[4], dict):
        return f"the infos of step() are {_kind(stepped[4])} and not a dict"
    return None if is_number(stepped[1]) else f"step() returns the reward {stepped[1]!r}, which is no number"


def is_number(value: Any) -> bool:
    """Whether a value is one number, also as an array."""
    return np.size(value) == 1 and np.asarray(value).dtype.kind in NUMBERS


def misfit(space: Space, value: Any) -> str | None:
    """Say what an observation is that a space does not have; its numbers may lie outside of the bounds."""
    if isinstance(space, Dict):
        if not isinstance(value, dict) or not space.keys() <= value.keys():
            return f"is {_kind(value)} and not a dict of {_names(space)}"
        return next((found for name in space if (found := misfit(space[name], value[name]))), None)
    if isinstance(space, Tuple):
        if not isinstance(value, tuple | list) or len(value) != len(space.spaces):
            return f"is {_kind(value)} and not a tuple of {len(space.spaces)}"
        return next((found for pair in zip(space, value, strict=True) if (found := misfit(*pair))), None)
    if not isinstance(space, Box | Discrete | MultiDiscrete | MultiBinary):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in NUMBERS:
        return f"is {_kind(value)} and not numbers"
    shape = tuple(space.shape or ())
    return None if array.shape == shape else f"has the shape {list(array.shape)}, but observation_space {list(shape)}"


def _kind(value: Any) -> str:
    """Name what a value is."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"a dict of {_names(value)}" if isinstance(value, dict) else f"of type {type(value).__name__}"


def _names(keys: Any) -> str:
    return ", ".join(map(str, keys))
