"""A stretch of a game as a GIF, small enough for a README."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from triptych.files import replacing

MAX_NBYTES = 3_000_000
STRETCH = 150  # steps that are shown where none are asked for
AFTER = 25  # of them after the reward around which they lie


def stretch_of(rewards: np.ndarray) -> tuple[int, int]:
    """Choose the steps to show: those before the first point that is lost, or else won, or the first ones."""
    lost, won = np.flatnonzero(rewards < 0), np.flatnonzero(rewards > 0)
    events = lost if len(lost) else won
    end = min(len(rewards), (int(events[0]) + AFTER) if len(events) else STRETCH)
    return max(0, end - STRETCH), end


def write_gif(path: Path, pictures: Sequence[np.ndarray], fps: float) -> None:
    """Write pictures ``[H, W, 3]``; every second, third, ... and smaller ones, until it is small enough."""
    for every, scale in ((1, 1.0), (2, 1.0), (2, 0.75), (3, 0.75), (4, 0.6), (6, 0.5), (10, 0.5), (20, 0.4)):
        data = _gif(pictures[::every], scale, max(fps / every, 1.0))
        if len(data) <= MAX_NBYTES:
            break
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _gif(pictures: Sequence[np.ndarray], scale: float, fps: float) -> bytes:
    from PIL import Image  # where it is drawn, and only there

    images = [Image.fromarray(picture) for picture in pictures]
    size = round(images[0].width * scale), round(images[0].height * scale)
    small = [image.resize(size, Image.Resampling.LANCZOS) if scale < 1 else image for image in images]
    palette = small[len(small) // 2].quantize(64)
    packed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in small]
    buffer = io.BytesIO()
    packed[0].save(
        buffer, "GIF", save_all=True, append_images=packed[1:], duration=max(round(1000 / fps), 20), loop=0,
        optimize=False, disposal=1,
    )  # fmt: skip
    return buffer.getvalue()
