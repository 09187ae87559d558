"""What MuJoCo is told before it steps and draws."""

from __future__ import annotations

import os
import sys
import warnings


def warn_through_python() -> None:
    """Hand MuJoCo's warnings to Python, which shows each once; else they go to the screen and to ./MUJOCO_LOG.TXT."""
    import mujoco

    def warn(text: str) -> None:
        category = DeprecationWarning if "deprecated" in text else RuntimeWarning
        warnings.warn(f"MuJoCo: {text}", category, stacklevel=2)

    mujoco.set_mju_user_warning(warn)


def draw_off_screen() -> None:
    """Let MuJoCo draw through EGL where there is no display; GLFW, which Gymnasium would take, needs one."""
    if sys.platform == "linux" and not os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}:
        os.environ.setdefault("MUJOCO_GL", "egl")
