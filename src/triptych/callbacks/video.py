"""One evaluation episode as an mp4, in colour and in its own time, with its return below the picture."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from triptych.files import replacing
from triptych.types import Episode, Game, NoPicture

MIN_HEIGHT = 210  # pixels; smaller pictures are enlarged by a whole factor
MIN_WIDTH = 320  # pixels, which the caption needs at its smallest
FONT_SIZE = 16  # pixels, per MIN_WIDTH of the whole width


def write_video(path: Path, game: Game, episode: Episode, *, max_frames: int = 4500) -> None:
    """Play an episode again from its seed and actions and write what is seen, at native resolution.

    The caption is the return so far; `max_frames` pictures at most are written. An earlier video of that name, which
    shows another episode, is deleted first.

    Raises:
        NoPicture: nothing can be drawn, or the environment played another game than that of the episode, as far as the
            return of a game tells that was written to its end.
    """
    path.unlink(missing_ok=True)
    write_pictures(path, itertools.islice(_captioned(game, episode), max_frames), game.spec.render_fps)


def write_pictures(path: Path, pictures: Iterator[np.ndarray], fps: float) -> None:
    """Write pictures ``[H, W, 3]`` uint8 with even sides as an mp4; at least one."""
    import imageio_ffmpeg  # not on every machine that trains

    first = next(pictures)
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (first.shape[1], first.shape[0]),
            fps=fps,
            macro_block_size=2,
            output_params=["-crf", "20"],
        )
        writer.send(None)
        try:
            for picture in itertools.chain([first], pictures):
                writer.send(picture)
        finally:
            writer.close()


def _captioned(game: Game, episode: Episode) -> Iterator[np.ndarray]:
    """Yield the pictures of an episode; raise `NoPicture` at its end if it was not the one that was played."""
    episode_return = 0.0
    for step, (frame, reward) in enumerate(game.replay(episode.seed, episode.actions)):
        episode_return += reward
        yield with_caption(frame, f"return {episode_return:g}   step {step} of {len(episode.actions)}")
    if not math.isclose(episode_return, episode.episode_return, rel_tol=1e-4, abs_tol=1e-4):
        raise NoPicture(
            f"{game.spec.name} does not repeat a game from its seed and actions (return {episode_return:g} instead of "
            f"{episode.episode_return:g}), so the pictures would be of another one"
        )


def with_caption(frame: np.ndarray, caption: str) -> np.ndarray:
    """Put a line of text below a picture ``[H, W, 3]`` uint8; what comes out has even sides, as videos need."""
    from PIL import Image, ImageDraw, ImageFont  # where a video is drawn, and only there

    picture = Image.fromarray(frame).convert("RGB")
    factor = -(-MIN_HEIGHT // picture.height)
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    width = max(picture.width, MIN_WIDTH)
    size = FONT_SIZE * width // MIN_WIDTH
    width, height = width + width % 2, picture.height + 2 * size
    whole = Image.new("RGB", (width, height + height % 2))
    whole.paste(picture, ((width - picture.width) // 2, 0))
    place = width // 2, picture.height + size
    ImageDraw.Draw(whole).text(place, caption, fill="white", font=ImageFont.load_default(size), anchor="mm")
    return np.ascontiguousarray(np.asarray(whole))
