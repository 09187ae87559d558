"""One evaluation episode as an mp4, in colour, with its return written on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from triptych.files import replacing
from triptych.types import Episode, Game

MIN_HEIGHT = 210  # pixels; smaller pictures are enlarged by a whole factor so that the caption can be read


def write_video(
    path: Path, game: Game, episode: Episode, *, frames_per_second: int = 15, max_frames: int = 4500
) -> None:
    """Play an episode again from its seed and actions and write what is seen, at native resolution.

    The caption is the return so far; `max_frames` pictures at most are written.
    """
    import imageio_ffmpeg  # not on every machine that trains

    pictures = _captioned(game, episode.seed, episode.actions)
    first = next(pictures)
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (first.shape[1], first.shape[0]),
            fps=frames_per_second,
            macro_block_size=2,
            output_params=["-crf", "20"],
        )
        writer.send(None)
        try:
            for picture in itertools.islice(itertools.chain([first], pictures), max_frames):
                writer.send(picture)
        finally:
            writer.close()


def _captioned(game: Game, seed: int, actions: Sequence[object]) -> Iterator[np.ndarray]:
    episode_return = 0.0
    for frame, reward in game.replay(seed, actions):
        episode_return += reward
        picture = Image.fromarray(frame)
        factor = -(-MIN_HEIGHT // picture.height)
        if factor > 1:
            picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
        picture = picture.crop((0, 0, picture.width + picture.width % 2, picture.height + picture.height % 2))
        draw = ImageDraw.Draw(picture)
        draw.text((4, 2), f"return {episode_return:g}", fill="white", stroke_width=1, stroke_fill="black")
        yield np.ascontiguousarray(np.asarray(picture))
