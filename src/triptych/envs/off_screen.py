"""Drawing where there is no display."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# MuJoCo: EGL; GLFW, Gymnasium's first choice, needs a display. SDL, with which classic control and Box2D draw.
RENDERERS = {"MUJOCO_GL": "egl", "SDL_VIDEODRIVER": "dummy"}


@contextmanager
def off_screen() -> Iterator[None]:
    """Let renderers that are made in here do without a display where there is none; a variable that is set decides."""
    has_display = bool(os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"})
    missing = (
        {} if sys.platform != "linux" or has_display else {k: v for k, v in RENDERERS.items() if k not in os.environ}
    )
    os.environ.update(missing)
    try:
        yield
    finally:  # MuJoCo itself reads its variable too, and cannot be imported where EGL is missing
        for name in missing:
            del os.environ[name]
