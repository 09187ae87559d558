"""What Gymnasium-Robotics is told before its environments are made."""

from __future__ import annotations

import contextlib
import io
import types
from typing import Any


class _Mujoco:
    """The module ``mujoco``, whose kinds of joints are whole numbers.

    A model has whole numbers for them. Gymnasium-Robotics asks whether such a number is in a tuple of MuJoCo's own
    names, which are no numbers since MuJoCo 3.10, so that it is in none.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        kinds = {name: int(value) for name, value in module.mjtJoint.__members__.items()}
        self.mjtJoint = types.SimpleNamespace(**kinds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def name_joints_by_number() -> None:
    """Let Gymnasium-Robotics find the kinds of joints with every version of MuJoCo that it runs on; once is enough."""
    with contextlib.redirect_stderr(io.StringIO()):  # a notice about some of its environments, at every import
        from gymnasium_robotics.utils import mujoco_utils

    if not isinstance(mujoco_utils.mujoco, _Mujoco):
        mujoco_utils.mujoco = _Mujoco(mujoco_utils.mujoco)
