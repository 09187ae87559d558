"""Doom's levels in three dimensions (Kempka et al. 2016): ViZDoom's scenarios, seen as pictures.

Where it differs from ViZDoom's own environments for Gymnasium: an episode whose time is over is truncated and not
terminated too, and the last observation of an episode is the last picture there was, not a black one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from PIL import Image

from triptych.types import ConfigurationError
from triptych.types.signals import STOPPING

TICS_PER_SECOND = 35
MAX_FRAME_SKIP = 1000  # tics of one action
MAX_IMAGE_SIZE = (480, 640)  # height and width
FOR_SEVERAL_PLAYERS = ("cig", "multi_duel")  # which a game without a host cannot start
RESOLUTIONS = ((120, 160), (240, 320), MAX_IMAGE_SIZE)  # in which Doom draws what is then made smaller
DRAWN_RESOLUTION = (240, 320)  # of videos, at least

# Doom runs as a program of its own. It makes an empty folder where it is started, takes the signals that a run gets,
# and outlives a run that is killed; so this starts it, in a folder for that alone, and it ends with who plays it.
LAUNCH = f"""
import ctypes, os, signal, sys
folder, program, *arguments = sys.argv[1:]
if hasattr(ctypes.CDLL(None), "prctl"):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.setsid()
for number in {[int(number) for number in STOPPING]}:
    signal.signal(number, signal.SIG_IGN)
os.chdir(folder)
os.execv(program, [program, *arguments])
"""


class Doom(gymnasium.Env):
    """One scenario of ViZDoom. An observation is a picture, ``[H, W, 3]`` uint8 or ``[H, W]`` in grey.

    An action holds no button, or up to ``max_buttons`` at once, for ``frame_skip`` tics; the reward is ViZDoom's own,
    summed over them.

    Args:
        scenario: of those that ViZDoom brings for one player, ``basic``, ``deadly_corridor``, ...
        frame_skip: tics of one action; a second has 35.
        image_size: height and width of the picture, made smaller by the mean of the pixels.
        use_color: or grey.
        max_buttons: that an action holds at once.
        render_hud: draw the bar of health, armour and ammunition at the bottom, as a player sees it; by default as the
            scenario has it, mostly not.
        render_mode: ``rgb_array`` or none.

    Raises:
        ConfigurationError: there is no such scenario, or a number is out of its range.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": TICS_PER_SECOND}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(
        self,
        scenario: str,
        frame_skip: int = 4,
        image_size: Sequence[int] = (60, 80),
        use_color: bool = True,
        max_buttons: int = 1,
        render_mode: str | None = None,
        render_hud: bool | None = None,
    ) -> None:
        import vizdoom  # only who plays it needs it

        _check_numbers(frame_skip, image_size, max_buttons)
        if render_hud not in (True, False, None):
            raise ConfigurationError(f"env.make_kwargs.render_hud={render_hud} is not allowed: it takes true or false.")
        self.render_mode, self._frame_skip, self._use_color = render_mode, frame_skip, use_color
        self._image_size = (int(image_size[0]), int(image_size[1]))
        self.metadata = self.metadata | {"render_fps": max(TICS_PER_SECOND / frame_skip, 1.0)}
        self._game, self._program = vizdoom.DoomGame(), vizdoom.exe_path
        self._game.load_config(_find(scenario, Path(vizdoom.scenarios_path)))
        self._set_up_screen(vizdoom)
        if render_hud is not None:
            self._game.set_render_hud(render_hud)
        buttons = [one for one in self._game.get_available_buttons() if not vizdoom.is_delta_button(one)]
        self._game.set_available_buttons(buttons)
        held = itertools.product((0.0, 1.0), repeat=len(buttons))
        self._presses = [list(one) for one in held if sum(one) <= max_buttons]
        self._names = [
            "+".join(button.name.lower() for button, is_held in zip(buttons, one, strict=True) if is_held) or "none"
            for one in self._presses
        ]
        self.action_space = Discrete(len(self._presses))
        self.observation_space = Box(0, 255, (*self._image_size, 3) if use_color else self._image_size, np.uint8)

    def _set_up_screen(self, vizdoom: Any) -> None:
        wanted = self._image_size if self.render_mode is None else np.maximum(self._image_size, DRAWN_RESOLUTION)
        height, width = next(one for one in RESOLUTIONS if one[0] >= wanted[0] and one[1] >= wanted[1])
        self._game.set_screen_resolution(getattr(vizdoom.ScreenResolution, f"RES_{width}X{height}"))
        is_grey = not self._use_color and self.render_mode is None
        self._game.set_screen_format(vizdoom.ScreenFormat.GRAY8 if is_grey else vizdoom.ScreenFormat.RGB24)
        self._game.set_window_visible(False)

    def get_action_meanings(self) -> list[str]:
        return self._names

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self._game.set_seed(int(self.np_random.integers(2**32)))
        if self._game.is_running():
            self._game.new_episode()
        else:
            with _own_folder(self._game, self._program):
                self._game.init()
        self._screen = self._game.get_state().screen_buffer.copy()
        return self._observe(), {}

    def step(self, action: int):
        reward = self._game.make_action(self._presses[int(action)], self._frame_skip)
        is_over, is_timeout = self._game.is_episode_finished(), self._game.is_episode_timeout_reached()
        state = self._game.get_state()  # none at the end
        if state is not None:
            self._screen = state.screen_buffer.copy()
        is_truncated = is_over and is_timeout and not self._game.is_player_dead()
        return self._observe(), reward, is_over and not is_truncated, is_truncated, {}

    def _observe(self) -> np.ndarray:
        image = Image.fromarray(self._screen)
        if not self._use_color:
            image = image.convert("L")
        height, width = self._image_size
        return np.array(image.resize((width, height), Image.Resampling.BOX))

    def render(self) -> np.ndarray:
        return self._screen

    def close(self) -> None:
        self._game.close()


def _check_numbers(frame_skip: Any, image_size: Any, max_buttons: Any) -> None:
    def is_count(value: Any, highest: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= highest

    for key, count, highest in (("frame_skip", frame_skip, MAX_FRAME_SKIP), ("max_buttons", max_buttons, 10)):
        if not is_count(count, highest):
            raise ConfigurationError(f"env.make_kwargs.{key}={count} is not allowed: it takes 1 to {highest:,}.")
    is_pair = isinstance(image_size, list | tuple) and len(image_size) == 2
    if not is_pair or not all(map(is_count, image_size, MAX_IMAGE_SIZE)):
        raise ConfigurationError(
            f"env.make_kwargs.image_size={image_size} is not allowed: it is [height,width], "
            f"up to {list(MAX_IMAGE_SIZE)}."
        )


def _find(scenario: str, folder: Path) -> str:
    """Return the file of a scenario.

    Raises:
        ConfigurationError: ViZDoom brings none of that name for one player.
    """
    found = {
        path.stem: str(path)
        for path in sorted(folder.glob("*.cfg"))
        if path.with_suffix(".wad").exists() and path.stem not in FOR_SEVERAL_PLAYERS
    }
    if scenario not in found:
        raise ConfigurationError(
            f"env.make_kwargs.scenario={scenario} is not one of ViZDoom's for one player: it takes {', '.join(found)}."
        )
    return found[scenario]


@contextlib.contextmanager
def _own_folder(game: Any, program: str) -> Iterator[None]:
    """Let a game start in a folder of its own, which is gone when it has started; it writes no settings anywhere."""
    if os.name != "posix":
        yield
        return
    game.set_doom_config_path(os.devnull)
    with tempfile.TemporaryDirectory() as folder:
        launcher = Path(folder, "launch")
        words = [sys.executable, "-IS", "-c", LAUNCH, folder, program]
        launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        launcher.chmod(0o700)
        if not os.access(launcher, os.X_OK):
            raise ConfigurationError(f"Doom cannot be started in {folder}, where no program may run; set TMPDIR.")
        game.set_vizdoom_path(str(launcher))
        yield


for _id, _scenario in (
    ("Doom-v0", None),  # of which the scenario must be said
    ("DoomBasic-v0", "basic"),
    ("DoomHealthGathering-v0", "health_gathering"),
    ("DoomHealthGatheringSupreme-v0", "health_gathering_supreme"),
    ("DoomMyWayHome-v0", "my_way_home"),
):
    gymnasium.register(
        _id, entry_point="triptych.envs.vizdoom:Doom", kwargs={} if _scenario is None else {"scenario": _scenario}
    )
