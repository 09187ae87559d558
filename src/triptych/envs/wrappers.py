"""What is put around one Gymnasium environment: wrappers that the configuration names, and stacks of frames."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import FrameStackObservation, TransformObservation

from triptych.types import ConfigurationError

Wrapper = Callable[[gymnasium.Env], gymnasium.Env]


def find_wrapper(entry: Any) -> Wrapper:
    """Find a wrapper by its dotted name, or by a dict of its name as ``_target_`` and its keywords.

    Raises:
        ConfigurationError: there is none of that name, or it is no wrapper.
    """
    keywords = dict(entry) if isinstance(entry, dict) else {"_target_": entry}
    name = keywords.pop("_target_", None)
    module, _, attribute = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    if not module:
        raise ConfigurationError(
            f"env.wrappers={entry} is no wrapper: an entry is a dotted name, as gymnasium.wrappers.FlattenObservation, "
            "or {_target_: name, keyword: value}."
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a module may raise anything when it is imported
        raise ConfigurationError(f"env.wrappers={name} cannot be imported: {error}") from error
    is_wrapper = inspect.isclass(found) and issubclass(found, gymnasium.Wrapper)
    if not is_wrapper and not inspect.isfunction(found):
        raise ConfigurationError(f"env.wrappers={name} is no wrapper of Gymnasium's, nor a function of an environment.")
    return functools.partial(found, **keywords)


def stack_channels(env: gymnasium.Env, frame_stack: int) -> gymnasium.Env:
    """Show the last frames ``[C, H, W]`` as one image ``[frame_stack · C, H, W]``."""
    # Gymnasium keeps what it is shown, which some environments draw into again.
    env = TransformObservation(env, np.array, env.observation_space)
    stacked = FrameStackObservation(env, frame_stack)
    space = stacked.observation_space
    assert isinstance(space, Box)
    shape = (-1, *space.shape[2:])
    joined = Box(space.low.reshape(shape), space.high.reshape(shape), dtype=space.dtype.type)  # type: ignore[arg-type,union-attr]
    return TransformObservation(stacked, lambda observation: np.reshape(observation, shape), joined)
