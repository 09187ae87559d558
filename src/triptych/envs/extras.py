"""Which optional extra of this package an environment needs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

import gymnasium

from triptych.types import ConfigurationError


class Extra(NamedTuple):
    """A package that not everybody wants, and the environments that need it."""

    name: str  # in pyproject.toml
    title: str
    module: str  # what it installs
    entry_points: str  # how those of its environments begin


EXTRAS = (
    Extra("mujoco", "MuJoCo", "mujoco", "gymnasium.envs.mujoco."),
    Extra("box2d", "Box2D", "Box2D", "gymnasium.envs.box2d."),
    Extra("minigrid", "MiniGrid", "minigrid", "minigrid."),
    Extra("vizdoom", "ViZDoom", "vizdoom", "triptych.envs.vizdoom:"),
    Extra("robotics", "Gymnasium-Robotics", "gymnasium_robotics", "gymnasium_robotics."),
    Extra("recommender", "SARDINE", "sardine", "triptych.envs.recommender:"),
)


def require_extra(id: str) -> str | None:
    """Name the extra that a Gymnasium id needs, ``None`` if it needs none, and check that it is there.

    Nothing is imported.

    Raises:
        ConfigurationError: an extra is missing; the sentence says how to install it.
    """
    package, _, name = id.rpartition(":")
    registration = gymnasium.registry.get(name)
    entry_point = f"{package}." if registration is None else str(registration.entry_point)
    for extra in EXTRAS:
        if entry_point.startswith(extra.entry_points):
            if find_spec(extra.module) is None:
                raise ConfigurationError(
                    f'env.id={id} needs {extra.title}, which is not installed; run: pip install -e ".[{extra.name}]"'
                )
            return extra.name
    return None
