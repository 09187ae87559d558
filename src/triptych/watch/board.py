"""A step of a game as one picture, for videos: the frame, a bar for each action, and the value over the whole game.

On a board, the shares of actions stand in their cells too; of many actions, the largest have bars.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from triptych.collect.recording import Recording
from triptych.types import ActionCells, EnvSpec
from triptych.watch import charts
from triptych.watch.thoughts import Thoughts

PAPER, SHADE, QUIET, INK = "#14171a", "#2a3138", "#a3adb8", "#f2f4f6"
COLOURS, GOOD, BAD = ("#56b4e9", "#ff9449"), "#2fc79a", "#ff6f55"
WIDTH, TOP_HEIGHT, CURVE_HEIGHT, MARGIN = 640, 320, 110, 12  # pixels
MAX_BARS, FEW_BARS = 18, 10  # of more actions than the first, the second have bars
ON_BOARD, RING = (0, 80, 160, 128), (212, 31, 31)
LEAST_SHARE = 0.005  # that is drawn on a board


class Board:
    """Draws the steps of one game.

    Args:
        spec: of the environment.
        recording, thoughts: of the game.
        title: above the numbers.
        stretch: the steps, from the first to beyond the last, whose values are drawn; by default all.
    """

    def __init__(
        self,
        spec: EnvSpec,
        recording: Recording,
        thoughts: Thoughts,
        title: str,
        stretch: tuple[int, int] | None = None,
    ) -> None:
        from PIL import Image, ImageDraw, ImageFont  # where a video is drawn, and only there

        self.rewards, self.title, self.num_steps = recording.rewards, title, len(recording.rewards)
        self.start, self.end = stretch or (0, self.num_steps)
        self.returns = np.concatenate([[0.0], np.cumsum(recording.rewards, dtype=np.float64)])
        said = thoughts.said
        self.taken = charts.options_taken(spec, recording)
        self.cells = spec.action_cells
        self.bars, self.gaussian = charts.bars(said)[:1], charts.gaussian(said, spec, recording)
        options = charts.option_names(spec) if self.bars else []
        self.names, self.num_options = options + (self.gaussian["names"] if self.gaussian else []), len(options)
        self.curve: list[Any] = next((one["numbers"] for one in charts.curves(said)), [])
        self._image, self._draw, self._resampling = Image, ImageDraw, Image.Resampling
        self._font, self._small = ImageFont.load_default(17), ImageFont.load_default(13)
        known = [value for value in self.curve[self.start : self.end + 1] if value is not None] or [0.0]
        self.low, self.high = min(known), max(max(known), min(known) + 1e-9)
        self._base = self._draw_base()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, both even."""
        return WIDTH, TOP_HEIGHT + (CURVE_HEIGHT if self.curve else 0)

    def draw(self, frame: np.ndarray, step: int) -> np.ndarray:
        """Draw the frame ``[H, W, 3]`` before a step, or after the last; return ``[height, width, 3]`` uint8."""
        image = self._base.copy()
        draw = self._draw.Draw(image)
        right = self._paste(image, frame, step) + 2 * MARGIN
        self._draw_numbers(draw, right, step)
        self._draw_bars(draw, right, step)
        if self.curve:
            x, value = self._x(step), self.curve[min(step, self.num_steps - 1)]
            draw.line([(x, TOP_HEIGHT), (x, TOP_HEIGHT + CURVE_HEIGHT - MARGIN)], INK)
            if value is not None:
                y = self._y(value)
                draw.ellipse([x - 4, y - 4, x + 4, y + 4], COLOURS[0], INK)
        return np.asarray(image)

    def _paste(self, image: Any, frame: np.ndarray, step: int) -> int:
        """Put the frame to the upper left, as large as it fits; return where it ends."""
        height, width = frame.shape[:2]
        room_width, room_height = WIDTH // 2 - MARGIN, TOP_HEIGHT - 2 * MARGIN
        scale = min(room_width / width, room_height / height)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        how = self._resampling.NEAREST if scale > 3 else self._resampling.BILINEAR
        picture = self._image.fromarray(frame).convert("RGB").resize(size, how)
        if self.cells is not None and self.bars and self.bars[0]["isShare"] and step < self.num_steps:
            self._draw_shares(picture, self.cells, step)
        image.paste(picture, (MARGIN, MARGIN))
        return MARGIN + size[0]

    def _draw_shares(self, picture: Any, cells: ActionCells, step: int) -> None:
        """Draw each action's share in its cell of a board, and a ring around the one that is taken."""
        draw = self._draw.Draw(picture, "RGBA")
        side = min(picture.width / cells.columns, picture.height / cells.rows)
        for action, (cell, share) in enumerate(zip(cells.cells, self.bars[0]["numbers"][step], strict=True)):
            if cell is None or share is None or share < LEAST_SHARE:
                continue
            x, y = (cell[1] + 0.5) * picture.width / cells.columns, (cell[0] + 0.5) * picture.height / cells.rows
            radius = side * (0.12 + 0.33 * share**0.5)
            ring = RING if action in self.taken[step] else None
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], ON_BOARD, ring, width=2 if ring else 0)
            if side >= 24:
                draw.text((x, y), f"{100 * share:.0f}", "white", self._small, anchor="mm")

    def _draw_numbers(self, draw: Any, left: int, step: int) -> None:
        draw.text((left, MARGIN), self.title, QUIET, self._small)
        draw.text((left, MARGIN + 20), f"return {self.returns[step]:g}", INK, self._font)
        if self.curve:
            value = self.curve[min(step, self.num_steps - 1)]
            text = "V(s)" if value is None else f"V(s) {value:.2f}"
            draw.text((left + 150, MARGIN + 20), text, COLOURS[0], self._font)
        draw.text((WIDTH - MARGIN, MARGIN + 23), f"step {step}", QUIET, self._small, anchor="ra")

    def _draw_bars(self, draw: Any, left: int, step: int) -> None:
        top = MARGIN + 58
        if step >= self.num_steps or not self.names:
            return
        names = [bar["name"] for bar in self.bars] + (["mean ± standard deviation"] if self.gaussian else [])
        text = ", ".join(names) if len(names) > 1 else f"{names[0]} of each action"
        draw.text((left, top), text, QUIET, self._small)
        shown = self._shown(step)
        height = min(30, (TOP_HEIGHT - top - 30) // len(shown))
        start, end = left + 92, WIDTH - MARGIN - 58
        for row, index in enumerate(shown):
            label, y = self.names[index], top + 22 + row * height
            low, high, text, is_taken = self._extent(index, step)
            draw.text((left, y + height / 2), label[:12], INK if is_taken else QUIET, self._small, anchor="lm")
            draw.rectangle([start, y + 3, end, y + height - 4], SHADE)
            ends = [start + share * (end - start) for share in (low, high)]
            draw.rectangle([ends[0], y + 3, max(ends[1], ends[0] + 1), y + height - 4], COLOURS[1 if is_taken else 0])
            draw.text((end + 54, y + height / 2), text, INK if is_taken else QUIET, self._small, anchor="rm")

    def _shown(self, step: int) -> list[int]:
        """Return which options have bars, all or the largest of many, and which continuous numbers."""
        options, numbers = range(self.num_options), range(self.num_options, len(self.names))
        numbers = numbers[: max(MAX_BARS - len(options), MAX_BARS // 2)]
        if len(options) + len(numbers) <= MAX_BARS:
            return [*options, *numbers]
        sizes = [-np.inf if number is None else number for number in self.bars[0]["numbers"][step]]
        largest = sorted(options, key=lambda option: -sizes[option])
        return [*largest[: min(FEW_BARS, MAX_BARS - len(numbers))], *numbers]

    def _extent(self, index: int, step: int) -> tuple[float, float, str, bool]:
        """Return from where to where a bar goes, as shares of its track, its number, and whether it was taken."""
        if index < self.num_options:
            bar = self.bars[0]
            numbers = [0.0 if number is None else number for number in bar["numbers"][step]]
            least = 0.0 if bar["isShare"] else min(numbers)
            share = min(max((numbers[index] - least) / bar["gap"], 0.0), 1.0)
            return 0.0, share, f"{numbers[index]:.3f}", index in self.taken[step]
        found, index = self.gaussian, index - self.num_options
        assert found is not None
        mean, std, low = found["mean"][step][index], found["std"][step][index], found["low"][index]
        reach = max(found["high"][index] - low, 1e-9)
        ends = [min(max((value - low) / reach, 0.0), 1.0) for value in (mean - std, mean + std)]
        return ends[0], ends[1], f"{mean:.2f}", False

    def _draw_base(self) -> Any:
        """Draw what is the same at every step: the rewards and the curve of the whole game."""
        image = self._image.new("RGB", self.size, PAPER)
        draw = self._draw.Draw(image)
        if self.curve:
            bottom = TOP_HEIGHT + CURVE_HEIGHT - MARGIN
            is_dense = np.count_nonzero(self.rewards) > self.num_steps / 4
            rewards = np.flatnonzero(self.rewards[self.start : self.end]) + self.start
            for step in [] if is_dense else rewards.tolist():
                x = self._x(step + 1)
                draw.line([(x, TOP_HEIGHT), (x, bottom)], GOOD if self.rewards[step] > 0 else BAD)
            inside = range(self.start, min(self.end + 1, self.num_steps))
            places = [(self._x(step), self._y(self.curve[step])) for step in inside if self.curve[step] is not None]
            if len(places) > 1:
                draw.line(places, COLOURS[0], 2 if len(places) < 400 else 1)
            for value in (self.high, self.low):
                draw.text((MARGIN, self._y(value)), f"{value:.2g}", QUIET, self._small, anchor="lm")
        return image

    def _x(self, step: int) -> float:
        return 52 + (step - self.start) / max(self.end - self.start, 1) * (WIDTH - 52 - MARGIN)

    def _y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return TOP_HEIGHT + 8 + (1 - share) * (CURVE_HEIGHT - MARGIN - 16)
