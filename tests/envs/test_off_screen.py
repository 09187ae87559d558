import os
import subprocess
import sys

import pytest

from triptych.envs.off_screen import off_screen


@pytest.mark.parametrize(
    ("variables", "renderer"),
    [
        ({}, "egl"),
        ({"DISPLAY": ":0"}, None),
        ({"WAYLAND_DISPLAY": "wayland-0"}, None),
        ({"MUJOCO_GL": "osmesa"}, "osmesa"),
    ],
)
def test_renderers_draw_off_screen_where_there_is_no_display(variables, renderer, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with off_screen():
        assert os.environ.get("MUJOCO_GL") == renderer
    assert dict(os.environ) == before


def test_a_cart_is_drawn_without_a_display_and_without_a_word():
    script = (
        "from triptych.envs.gymnasium import Gymnasium\n"
        "frame, _ = next(Gymnasium('CartPole-v1', 1).replay(0, []))\n"
        "assert frame.shape[2] == 3 and frame.std() > 0"
    )
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "error" not in result.stderr
