"""Small pictures for a page: frames, what is seen, heat, and sheets of maps, packed as WebP or PNG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable

import numpy as np

QUALITY = 75  # of what is not packed without loss
HEAT_QUALITY = 40
SHEET_QUALITY = 60
MAX_HEAT_SIZE = 96  # pixels
MAX_CHANNELS = 4  # of a filter that are shown


def packed(picture: np.ndarray, *, scale: float = 1.0, quality: int = QUALITY, try_lossless: bool = True) -> bytes:
    """Pack ``[H, W]`` or ``[H, W, 3]`` uint8 as WebP: without loss where that is the smaller one."""
    from PIL import Image  # where a page is made, and only there

    image = Image.fromarray(picture).convert("RGB")
    if scale < 1.0:
        size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
        image = image.resize(size, Image.Resampling.BILINEAR)
    found = []
    for lossless in (True, False) if try_lossless else (False,):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", lossless=lossless, quality=quality, method=2)
        found.append(buffer.getvalue())
        if lossless and len(found[0]) < 1500:  # flat pictures, of games as old as Atari's
            break
    return min(found, key=len)


def data_uri(webp: bytes) -> str:
    """Return a picture as text that a page can show."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def heat(saliency: np.ndarray) -> np.ndarray:
    """Colour a map ``[H, W]`` from 0: black, red, orange, yellow at its largest; ``[H, W, 3]`` uint8.

    It is smoothed over neighbours, as single pixels say little.
    """
    smooth = _smoothed(saliency.astype(np.float64))
    share = (smooth / max(smooth.max(), 1e-30)) ** 1.5
    colours = np.stack([share * 3, share * 3 - 1, share * 3 - 2.2], axis=-1)
    return (colours.clip(0, 1) * 255).astype(np.uint8)


def _smoothed(plane: np.ndarray) -> np.ndarray:
    """Average over 3 x 3 neighbours, with the edge repeated."""
    padded = np.pad(plane, 1, mode="edge")
    height, width = plane.shape
    return sum(padded[row : row + height, column : column + width] for row in range(3) for column in range(3)) / 9  # type: ignore[return-value]


def newest(observation: np.ndarray, frame_stack: int, pixel_max: float | None) -> np.ndarray:
    """Return the newest picture of ``[C, H, W]`` as ``[H, W]`` or ``[H, W, 3]`` uint8.

    One or three channels are shown as they are; of any other number the brightest at each place, as they are layers of
    a map.
    """
    channels = observation[-(len(observation) // frame_stack) :]
    bright = (channels.astype(np.float64) * (255.0 / (pixel_max or 255.0))).clip(0, 255).astype(np.uint8)
    if len(bright) == 1:
        return bright[0]
    return np.moveaxis(bright, 0, -1) if len(bright) == 3 else bright.max(axis=0)


def is_same_scene(frames: Iterable[np.ndarray], seen: Iterable[np.ndarray]) -> bool:
    """Whether frames ``[H, W, 3]`` show what pictures of observations show, so that one may lie over the other."""
    return all(_correlation(_grey(frame), _grey(picture)) > 0.8 for frame, picture in zip(frames, seen, strict=True))


def _grey(picture: np.ndarray) -> np.ndarray:
    return picture.mean(axis=-1) if picture.ndim == 3 else picture.astype(np.float64)


def _correlation(frame: np.ndarray, picture: np.ndarray) -> float:
    from PIL import Image

    height, width = picture.shape
    small = np.asarray(Image.fromarray(frame.astype(np.uint8)).resize((width, height), Image.Resampling.BOX), float)
    if small.std() < 1e-9 or picture.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(small.ravel(), picture.ravel())[0, 1])


def sheet(maps: np.ndarray, columns: int) -> np.ndarray:
    """Lay maps ``[F, h, w]`` from 0 to 1 out in rows, with a line between them; ``[H, W]`` uint8."""
    count, height, width = maps.shape
    rows = math.ceil(count / columns)
    whole = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), 40, np.uint8)
    for index, one in enumerate(maps):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        whole[top : top + height, left : left + width] = (one.clip(0, 1) * 255).astype(np.uint8)
    return whole


def activation_sheet(maps: np.ndarray) -> np.ndarray:
    """Show what a layer's units give, ``[F, h, w]``: black up to 0, white for the largest of all."""
    return sheet(maps.clip(min=0) / max(float(maps.max()), 1e-30), columns_of(len(maps)))


def filter_sheet(weights: np.ndarray) -> np.ndarray:
    """Show filters ``[F, C, h, w]``: a column for each, a row for each channel; grey is 0, scaled for each filter."""
    weights = weights[:, :MAX_CHANNELS]
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True).clip(min=1e-30)
    maps = np.swapaxes(weights / largest / 2 + 0.5, 0, 1)
    return sheet(maps.reshape(-1, *maps.shape[2:]), len(weights))


def columns_of(count: int) -> int:
    """Return in how many columns so many maps are laid out."""
    return min(count, 8 if count <= 32 else 16)
