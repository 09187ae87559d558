"""A game as one HTML page with everything in it: nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from triptych.collect.recording import Recording
from triptych.types import EnvSpec
from triptych.watch import charts
from triptych.watch.pictures import (
    HEAT_QUALITY,
    MAX_HEAT_SIZE,
    SHEET_QUALITY,
    activation_sheet,
    data_uri,
    filter_sheet,
    heat,
    is_same_scene,
    newest,
    packed,
)
from triptych.watch.thoughts import Thoughts

# The page's own script and style and embedded pictures; nothing else is run, and nothing is loaded.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
MAX_FRAME_NBYTES = 4_000_000  # of all frames of a page
MAX_SHEETS = 300  # steps of which a page has activations
SMALL_SHEET = 4000  # numbers, up to which activations may be packed without loss
PROBED = 12  # frames that say how large the others will be, and whether they show what the network sees


class WatchedGame(NamedTuple):
    """All that a page tells of a game.

    ``facts`` are sentences or shorter, below the title; ``live_s`` the seconds after which the page looks for a newer
    one of itself, where a run goes on.
    """

    title: str
    facts: list[str]
    spec: EnvSpec
    recording: Recording
    thoughts: Thoughts
    live_s: float | None = None


def steps_of_sheets(num_steps: int) -> range:
    """Return the steps of which a page shows activations: all of a short game, every k-th of a long one."""
    return range(0, num_steps, -(-num_steps // MAX_SHEETS))


class Frames:
    """The frames of a game, packed as they come; smaller ones if all of them would be too much for a page."""

    def __init__(self, num_frames: int) -> None:
        self.num_frames, self.scale = num_frames, 1.0
        self.probed: list[np.ndarray] = []  # the first ones, as they are
        self.uris: list[str] = []

    def add(self, frame: np.ndarray) -> None:
        """Add the next one, ``[H, W, 3]`` uint8."""
        if len(self.probed) < PROBED:
            self.probed.append(frame)
            if len(self.probed) == PROBED:
                nbytes = sum(len(packed(one)) for one in self.probed) / PROBED * self.num_frames
                self.scale = min(1.0, (MAX_FRAME_NBYTES / nbytes) ** 0.5)
                self.uris = [data_uri(packed(one, scale=self.scale)) for one in self.probed]
                return
        self.uris.append(data_uri(packed(frame, scale=self.scale)))


def html_page(game: WatchedGame, frames: Frames) -> str:
    """Write the page."""
    data = json.dumps(page_data(game, frames), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    room = files("triptych.watch")
    style, script, body = (room.joinpath(f"player.{kind}").read_text() for kind in ("css", "js", "html"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(game.title)}</title><style>\n{style}</style></head><body>\n{body}"
        f'<script type="application/json" id="data">{data}</script>\n<script>\n{script}</script></body></html>\n'
    )


def page_data(game: WatchedGame, frames: Frames) -> dict[str, Any]:
    """Return what the page's script reads, as plain data."""
    spec, recording, thoughts = game.spec, game.recording, game.thoughts
    said = thoughts.said
    return {
        "title": game.title,
        "facts": game.facts,
        "fps": spec.render_fps,
        "isOver": recording.is_over,
        "actions": charts.option_names(spec),
        "taken": charts.options_taken(spec, recording),
        "rewards": charts.rounded(recording.rewards),
        "bars": charts.bars(said),
        "board": None if spec.action_cells is None else spec.action_cells._asdict(),
        "isForTwo": spec.num_players == 2,
        "curves": charts.curves(said),
        "gaussian": charts.gaussian(said, spec, recording),
        "distribution": _distribution(charts.distribution(said)),
        "frames": frames.uris,
        "liveSeconds": game.live_s,
        **_seen(spec, recording, thoughts, frames.probed),
        **_first_layer(thoughts),
    }


def _distribution(found: tuple[np.ndarray, np.ndarray] | None) -> dict[str, Any] | None:
    """Pack probabilities ``[T, A, S]`` as bytes, 255 for the largest of a step."""
    if found is None:
        return None
    points, probs = found
    share = probs / probs.max(axis=(1, 2), keepdims=True).clip(min=1e-9)
    text = base64.b64encode((share * 255).round().astype(np.uint8).tobytes()).decode()
    return {"points": charts.rounded(points), "probs": text}


def _seen(spec: EnvSpec, recording: Recording, thoughts: Thoughts, frames: Iterable[np.ndarray]) -> dict[str, Any]:
    """Pack what the network sees, and what in it the value follows."""
    if not spec.is_image:
        return {"seen": [], "heat": [], "isSameScene": False}
    pictures = [newest(one, spec.frame_stack, spec.pixel_max) for one in recording.observations]
    frames = list(frames)[: len(pictures)]
    maps = [] if thoughts.saliency is None else [heat(one) for one in thoughts.saliency]
    scale = MAX_HEAT_SIZE / max(MAX_HEAT_SIZE, *recording.observations.shape[2:])
    return {
        "seen": [data_uri(packed(one)) for one in pictures],
        "heat": [data_uri(packed(one, scale=scale, quality=HEAT_QUALITY, try_lossless=False)) for one in maps],
        "isSameScene": is_same_scene(frames, pictures[: len(frames)]),
    }


def _first_layer(thoughts: Thoughts) -> dict[str, Any]:
    sheets = {
        step: data_uri(packed(activation_sheet(maps), quality=SHEET_QUALITY, try_lossless=maps.size < SMALL_SHEET))
        for step, maps in thoughts.activations.items()
    }
    filters = None if thoughts.filters is None else data_uri(packed(filter_sheet(thoughts.filters)))
    return {"sheets": sheets, "filters": filters}
