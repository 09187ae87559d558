"""What Gymnasium's spaces become: every observation an image or a vector, every action a number or an array of them.

The rule for observations, of which the first line that fits holds:

1. A Box of two to four axes whose numbers share finite bounds is a **picture**. Two axes are height and width. Of
   three, two that are equal and side by side are height and width; otherwise the channels are the smaller of the first
   and the last. Where that does not tell, ``env.observations`` must. Of four, the first is a stack of pictures. It
   becomes ``[channels, height, width]``, the pictures of a stack one after the other.
2. Any other Box is a **vector**, its numbers as they are; whole numbers between finite bounds are brought to 0 to 1.
3. Discrete numbers become zeros and ones, and Dict and Tuple the vector of their parts, as Gymnasium flattens them,
   with the numbers of each Box as by rule 2, also where it is a picture.

Pictures of bytes are stored as bytes, from 0 up to the largest that the bounds allow (`EnvSpec.pixel_max`); those of
other numbers are brought to 0 to 1 by their bounds. The networks see 0 to 1 in both cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.wrappers import FlattenObservation, TransformObservation

from triptych.envs.goals import ACHIEVED, DESIRED
from triptych.envs.nested_actions import FlatActions, Leaf, bounds_of, flat_space, leaves, sizes_of
from triptych.types import ConfigurationError
from triptych.types.bounds import FARTHEST_BOUND

Layout = Literal["auto", "vector", "channels_first", "channels_last"]
FLATTENED = (Discrete, MultiDiscrete, MultiBinary, Dict, Tuple)


class ObservationRule(NamedTuple):
    """What observations of a space become."""

    sentence: str  # which rule was applied, to be printed
    wrap: Callable[[gymnasium.Env], gymnasium.Env]  # the shape and type that are learned from
    pixel_max: float | None  # of a picture; ``None`` of a vector


def observation_rule(space: gymnasium.Space, layout: Layout, name: str) -> ObservationRule:
    """Find the rule for the observations of one environment.

    Args:
        space: of single observations.
        layout: ``auto`` for the rule of this file; otherwise what a user says that the numbers are.
        name: of the environment, for the messages.

    Raises:
        ConfigurationError: no rule fits, or it cannot know where the channels are.
    """
    if isinstance(space, FLATTENED):
        if layout not in ("auto", "vector"):
            raise ConfigurationError(
                f"env.observations={layout} is for pictures, but env.id={name} shows {type(space).__name__}; use "
                "env.observations=auto."
            )
        try:
            flat = gymnasium.spaces.flatten_space(space)
        except (NotImplementedError, ValueError) as error:
            raise _no_rule(name, space) from error
        if not isinstance(flat, Box):
            raise _no_rule(name, space)
        _check_not_empty(flat, space, name)
        wrap = _one_hot if isinstance(space, Discrete) else _flatten
        sentence = f"the vector of a {type(space).__name__}, {flat.shape[0]} numbers"
        low, span = _scale(space)
        if low.any() or (span != 1).any():
            sentence += ", whole ones brought to 0 to 1 by their bounds"
        if any(isinstance(leaf, Box) and len(leaf.shape) > 1 and leaf.dtype == np.uint8 for leaf in leaves(space)):
            sentence += ", those of pictures too (env.wrappers may show a picture alone)"
        return ObservationRule(sentence, wrap, None)
    if not isinstance(space, Box):
        raise _no_rule(name, space)
    _check_not_empty(space, space, name)
    is_picture = len(space.shape) in (2, 3, 4) and _share_finite_bounds(space)
    if layout == "vector" or (layout == "auto" and not is_picture):
        return _vector_rule(space)
    if not is_picture:
        raise ConfigurationError(
            f"env.observations={layout} is for pictures, which have two to four axes and common finite bounds, but "
            f"env.id={name} shows {space}; use env.observations=vector."
        )
    return _picture_rule(space, layout, name)


def _check_not_empty(numbers: Box, space: gymnasium.Space, name: str) -> None:
    if not np.prod(numbers.shape):
        raise ConfigurationError(
            f"env.id={name} shows {space}, in which there is no number to learn from; put a wrapper around it that "
            "shows some, by env.wrappers."
        )


def _share_finite_bounds(space: Box) -> bool:
    low, high = space.low.min(), space.high.max()
    is_common = bool((space.low == low).all() and (space.high == high).all())
    return is_common and low < high and _is_bound(low) and _is_bound(high)


def _is_bound(value: Any) -> bool:
    """Whether a number bounds anything; the largest of its type, by which users say that there is none, does not."""
    return bool(abs(float(value)) <= FARTHEST_BOUND)


def _vector_rule(space: Box) -> ObservationRule:
    size = int(np.prod(space.shape))
    is_scaled = _is_scaled(space)
    low, span = _scale(space)

    def transform(observation: Any) -> np.ndarray:
        vector = np.asarray(observation, np.float32).reshape(size)
        return (vector - low) / span if is_scaled else vector

    sentence = f"a vector of {size} numbers" + (", brought to 0 to 1 by their bounds" if is_scaled else ", as they are")
    if len(space.shape) == 1 and not is_scaled:
        return ObservationRule(sentence, lambda env: env, None)
    bounds = (0.0, 1.0) if is_scaled else (-np.inf, np.inf)
    return ObservationRule(sentence, _transform(transform, Box(*bounds, (size,), np.float32)), None)


def _is_scaled(space: gymnasium.Space) -> bool:
    """Whether a space is of whole numbers between finite bounds."""
    if not isinstance(space, Box):
        return False
    return space.dtype.kind in "ui" and all(map(_is_bound, (*space.low.ravel(), *space.high.ravel())))


def _scale(space: gymnasium.Space) -> tuple[np.ndarray, np.ndarray]:
    """Return what is taken from each number of a flattened space, and by what it is divided then.

    Goals stay as they are: whoever says whether one is reached compares them.
    """
    if isinstance(space, Dict | Tuple):
        parts = list(space.spaces.items() if isinstance(space, Dict) else enumerate(space.spaces))
        if not parts:
            return _as_it_is(space)
        scales = [_as_it_is(part) if name in (ACHIEVED, DESIRED) else _scale(part) for name, part in parts]
        low, span = (np.concatenate(each) for each in zip(*scales, strict=True))
        return low, span
    if not _is_scaled(space):  # bounds that are none may lie further apart than a number can say
        return _as_it_is(space)
    assert isinstance(space, Box)
    low = space.low.astype(np.float32).ravel()
    return low, np.maximum(space.high.astype(np.float32).ravel() - low, 1e-8)


def _as_it_is(space: gymnasium.Space) -> tuple[np.ndarray, np.ndarray]:
    size = gymnasium.spaces.flatdim(space)
    return np.zeros(size, np.float32), np.ones(size, np.float32)


def _picture_rule(space: Box, layout: Layout, name: str) -> ObservationRule:
    order = _axes(space.shape, layout, name)  # stack, channels, height, width; None where there is no such axis
    shape = [1 if axis is None else space.shape[axis] for axis in order]
    moved_axes = [axis for axis in order if axis is not None]
    final = (shape[0] * shape[1], shape[2], shape[3])
    low, high = float(space.low.min()), float(space.high.max())
    is_bytes = space.dtype == np.uint8

    def transform(observation: Any) -> np.ndarray:
        picture = np.transpose(np.asarray(observation), moved_axes).reshape(final)
        if is_bytes:
            return np.ascontiguousarray(picture if low == 0 else picture - np.uint8(low))
        return ((picture.astype(np.float32) - np.float32(low)) / np.float32(high - low)).astype(np.float32)

    pixel_max = high - low if is_bytes else 1.0
    is_as_wanted = is_bytes and low == 0 and final == space.shape and moved_axes == [0, 1, 2]
    seen = Box(0, pixel_max, final, np.uint8 if is_bytes else np.float32)
    sentence = f"a picture of {final[1]} x {final[2]} with {final[0]} channels, {low:g} to {high:g}"
    return ObservationRule(sentence, (lambda env: env) if is_as_wanted else _transform(transform, seen), pixel_max)


def _axes(shape: tuple[int, ...], layout: Layout, name: str) -> tuple[int | None, int | None, int, int]:
    """Return the axes of stack, channels, height and width."""
    if len(shape) == 2:
        return None, None, 0, 1
    stack = None if len(shape) == 3 else 0
    first, middle, last = (axis + len(shape) - 3 for axis in range(3))
    if layout == "auto":
        sizes = shape[first], shape[middle], shape[last]
        is_first, is_last = sizes[1] == sizes[2] != sizes[0], sizes[0] == sizes[1] != sizes[2]
        if not is_first and not is_last:
            is_first, is_last = sizes[0] < min(sizes[1:]), sizes[2] < min(sizes[:2])
        if is_first == is_last:
            raise ConfigurationError(
                f"env.id={name} shows pictures of the shape {list(shape)}, of which the channels may be the first or "
                "the last axis; say env.observations=channels_first, channels_last or vector."
            )
        layout = "channels_first" if is_first else "channels_last"
    return (stack, first, middle, last) if layout == "channels_first" else (stack, last, first, middle)


def _flatten(env: gymnasium.Env) -> gymnasium.Env:
    flat = FlattenObservation(env)
    low, span = _scale(env.observation_space)
    numbers = Box(-np.inf, np.inf, low.shape, np.float32)
    return TransformObservation(flat, lambda one: (np.asarray(one, np.float32) - low) / span, numbers)


def _one_hot(env: gymnasium.Env) -> gymnasium.Env:
    """Do what `_flatten` does with the numbers of a Discrete, in one step."""
    space = env.observation_space
    assert isinstance(space, Discrete)
    size, first = int(space.n), int(space.start)

    def transform(number: Any) -> np.ndarray:
        vector = np.zeros(size, np.float32)
        vector[int(number) - first] = 1.0
        return vector

    return TransformObservation(env, transform, Box(-np.inf, np.inf, (size,), np.float32))


def _transform(function: Callable[[Any], np.ndarray], space: Box) -> Callable[[gymnasium.Env], gymnasium.Env]:
    return lambda env: TransformObservation(env, function, space)


def _no_rule(name: str, space: gymnasium.Space) -> ConfigurationError:
    return ConfigurationError(
        f"env.id={name} shows {type(space).__name__}, of which no vector of a fixed length can be made; put a wrapper "
        "around it that makes one, by env.wrappers."
    )


class ActionRule(NamedTuple):
    """What the actions of a space are to an algorithm."""

    spec: dict[str, Any]  # the fields of `EnvSpec`
    bounds: Box | None  # of continuous actions, and of a row of choices and numbers
    first: int  # the number of the first of discrete ones
    wrap: Callable[[gymnasium.Env], gymnasium.Env] = lambda env: env  # takes the rows that nested actions become


def action_rule(space: gymnasium.Space, name: str) -> ActionRule:
    """Find the rule for the actions of one environment.

    Those of a Tuple or Dict, and of a MultiDiscrete that does not begin at 0, become flat rows
    (`triptych.envs.nested_actions`).

    Raises:
        ConfigurationError: no algorithm here has such actions.
    """
    for leaf in leaves(space):
        if not isinstance(leaf, Leaf):
            inside = "" if leaf is space else f" in a {type(space).__name__}"
            raise ConfigurationError(
                f"env.id={name} has actions of type {type(leaf).__name__}{inside}; the algorithms have Discrete, "
                "MultiDiscrete, MultiBinary and Box, and Tuple and Dict of them. Put a wrapper around it that makes "
                "one of these, by env.wrappers."
            )
    if not sizes_of(space) and not any(leaf.low.size for leaf in leaves(space)):  # Boxes alone
        raise ConfigurationError(
            f"env.id={name} has the actions {space}, in which there is nothing to choose; put a wrapper around it that "
            "has some, by env.wrappers."
        )
    if isinstance(space, Tuple | Dict) or (isinstance(space, MultiDiscrete) and np.any(space.start != 0)):
        return _rule_of_rows(space, name)
    if isinstance(space, Discrete):
        return ActionRule({"num_actions": int(space.n)}, None, int(space.start))
    fields: dict[str, Any] = {"num_actions": None, "action_shape": tuple(space.shape or ())}
    if isinstance(space, Box):
        low, high = (tuple(float(x) for x in bound) for bound in bounds_of(space))
        return ActionRule(fields | {"action_low": low, "action_high": high}, space, 0)
    return ActionRule(fields | {"action_sizes": sizes_of(space)}, None, 0)


def _rule_of_rows(space: gymnasium.Space, name: str) -> ActionRule:
    rows = flat_space(space)
    if not isinstance(rows, Box):
        return action_rule(rows, name)._replace(wrap=FlatActions)
    sizes, rule = sizes_of(space), action_rule(rows, name)
    numbers = {key: rule.spec[key][len(sizes) :] for key in ("action_low", "action_high")}
    return rule._replace(spec=rule.spec | numbers | ({"action_sizes": sizes} if sizes else {}), wrap=FlatActions)
