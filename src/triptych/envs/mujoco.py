"""What MuJoCo is told before it steps and draws."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from triptych.types import ConfigurationError


def warn_through_python() -> None:
    """Hand MuJoCo's warnings to Python, which shows each once; else they go to the screen and to ./MUJOCO_LOG.TXT.

    Raises:
        ConfigurationError: MuJoCo cannot be imported, as with a ``MUJOCO_GL`` whose library is missing.
    """
    try:
        import mujoco
    except Exception as error:  # what the graphics libraries raise is of any kind
        renderer = os.environ.get("MUJOCO_GL", "")
        raise ConfigurationError(f"MuJoCo cannot be imported with MUJOCO_GL={renderer}: {error}") from error

    def warn(text: str) -> None:
        category = DeprecationWarning if "deprecated" in text else RuntimeWarning
        warnings.warn(f"MuJoCo: {text}", category, stacklevel=1)

    mujoco.set_mju_user_warning(warn)


@contextmanager
def off_screen() -> Iterator[None]:
    """Let a renderer that is made in here use EGL where there is no display; GLFW, Gymnasium's first, needs one.

    ``MUJOCO_GL``, where it is set, decides.
    """
    has_display = bool(os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"})
    if sys.platform != "linux" or has_display or "MUJOCO_GL" in os.environ:
        yield
        return
    os.environ["MUJOCO_GL"] = "egl"
    try:
        yield
    finally:  # MuJoCo itself reads it too, and cannot be imported where EGL is missing
        del os.environ["MUJOCO_GL"]
