"""Turns: the smallest rhythm in which env steps and updates are both whole numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from triptych.types import ConfigurationError

MAX_UNEVEN = 64  # vector steps and updates of a turn; a turn's minibatches are drawn together, into memory


class Turn(NamedTuple):
    """One beat: collect, then learn."""

    vector_steps: int
    env_steps: int
    updates: int


def make_turn(num_envs: int, env_steps_per_update: float) -> Turn:
    """Find the fewest vector steps that earn a whole number of updates.

    >>> make_turn(num_envs=16, env_steps_per_update=4)
    Turn(vector_steps=1, env_steps=16, updates=4)
    >>> make_turn(num_envs=1, env_steps_per_update=4)
    Turn(vector_steps=4, env_steps=4, updates=1)

    Raises:
        ConfigurationError: the two are whole together only after very many.
    """
    per_vector_step = num_envs / Fraction(env_steps_per_update).limit_denominator(1000)
    if min(per_vector_step.as_integer_ratio()) > MAX_UNEVEN:
        raise ConfigurationError(
            f"algo.env_steps_per_update={env_steps_per_update} and env.num_envs={num_envs} come out even only after "
            f"{per_vector_step.denominator} vector steps and {per_vector_step.numerator} updates; choose a ratio of "
            "smaller whole numbers."
        )
    vector_steps = per_vector_step.denominator
    return Turn(vector_steps, vector_steps * num_envs, per_vector_step.numerator)
