"""Q-transforms: how a node's Q-values are made comparable with its prior.

A Q-transform is compiled into the search, so these functions compute nothing themselves: each describes one, and a
policy takes the function, or a ``functools.partial`` of it that sets its keywords. What they compute stands in
``kernels.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from triptych.types import ConfigurationError

BY_PARENT_AND_SIBLINGS, BY_MIN_MAX, COMPLETED_BY_MIX_VALUE = range(3)


class QTransform(NamedTuple):
    """The description of a Q-transform, as the kernels take it; of the numbers each kind reads its own."""

    kind: int
    epsilon: float = 1e-8
    min_value: float = 0.0
    max_value: float = 1.0
    value_scale: float = 0.0
    maxvisit_init: float = 0.0
    rescale_values: bool = False
    use_mixed_value: bool = False


def qtransform_by_parent_and_siblings(*, epsilon: float = 1e-8) -> QTransform:
    """Scale Q to [0, 1] by the extremes of the node's value and its visited children's Q; unvisited ones get 0.

    Schrittwieser et al. 2020, appendix B, equation 5, with the extremes of the node in place of the whole tree's.
    ``epsilon`` is the smallest difference of the extremes that is divided by.
    """
    return QTransform(BY_PARENT_AND_SIBLINGS, epsilon=float(epsilon))


def qtransform_by_min_max(*, min_value: float, max_value: float) -> QTransform:
    """Scale Q to [0, 1] by the known extremes of all returns; unvisited actions get 0."""
    if not min_value < max_value:
        raise ConfigurationError(f"min_value={min_value} must be below max_value={max_value}.")
    return QTransform(BY_MIN_MAX, min_value=float(min_value), max_value=float(max_value))


def qtransform_completed_by_mix_value(
    *,
    value_scale: float = 0.1,
    maxvisit_init: float = 50.0,
    rescale_values: bool = True,
    use_mixed_value: bool = True,
    epsilon: float = 1e-8,
) -> QTransform:
    """Complete Q by the mixed value where an action is unvisited and scale it with the visits: σ(completedQ).

    Danihelka et al. 2022: equation 10 (completed Q), appendix D (mixed value), equation 8 (σ, with ``maxvisit_init``
    as c_visit and ``value_scale`` as c_scale; the paper's c_scale is 1.0 in board games and 0.1 in Atari).

    Args:
        rescale_values: scale the completed Q-values to [0, 1] first, by their extremes.
        use_mixed_value: complete by the mixed value, else by the model's value of the node.
        epsilon: smallest difference of the extremes that is divided by.
    """
    return QTransform(
        COMPLETED_BY_MIX_VALUE,
        epsilon=float(epsilon),
        value_scale=float(value_scale),
        maxvisit_init=float(maxvisit_init),
        rescale_values=bool(rescale_values),
        use_mixed_value=bool(use_mixed_value),
    )


def describe(qtransform: Callable[..., QTransform]) -> QTransform:
    """Return the description, or raise ``ConfigurationError`` for what is none or has numbers that cannot work."""
    problem: object = "it describes none"
    try:
        described = qtransform()
    except TypeError as error:
        described, problem = None, error  # type: ignore[assignment]
    if not isinstance(described, QTransform):
        raise ConfigurationError(
            f"qtransform={qtransform!r} cannot be used ({problem}): pass one of triptych.planning's qtransform_ "
            "functions, with keywords set by functools.partial."
        )
    if not (described.epsilon > 0 and all(math.isfinite(number) for number in described)):
        raise ConfigurationError(f"{described} must have finite numbers and epsilon above 0.")
    return described
