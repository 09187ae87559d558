"""Charts as SVG, coloured by the classes ``c0`` to ``c7`` of the page's style."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from triptych.report.blocks import Chart, Series

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 30, 12, 44
COLOURS = 8
ROUND_TIMES = [unit * factor for unit in (1.0, 60.0) for factor in (1, 3, 10, 30)] + [3600.0 * 3**n for n in range(9)]
MUCH_LONGER = 12


class Axes(NamedTuple):
    """The ranges that a chart shows; with ``is_log``, x stands for its logarithm."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    is_log: bool = False

    def point(self, x: float, y: float) -> str:
        """Write a place of the data in the picture's coordinates."""
        if self.is_log:
            across = math.log(max(x, self.x_low) / self.x_low) / math.log(self.x_high / self.x_low)
        else:
            across = (x - self.x_low) / (self.x_high - self.x_low)
        up = (y - self.y_low) / (self.y_high - self.y_low)
        return f"{LEFT + across * (WIDTH - LEFT - RIGHT):.1f},{HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM):.1f}"


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Give each algorithm a class of colour, and a class of dashes where there are more than colours."""
    return {
        name: f"c{index % COLOURS}" + (f" d{min(index // COLOURS, 3)}" if index >= COLOURS else "")
        for index, name in enumerate(sorted(set(names)))
    }


def draw(chart: Chart, colours: Mapping[str, str]) -> str:
    """Draw a chart; its size follows the width that the page gives it."""
    axes = axes_of(chart)
    x_text = (time if axes.is_log else time_text(axes.x_high)) if chart.is_time else short
    x_label = f"{chart.x_label}, logarithmic" if axes.is_log else chart.x_label
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        f"<title>{escape(chart.title)}</title>",
        *grid(axes, x_text, x_ticks(axes, chart.is_time)),
        *(reference(axes, name, value) for name, value in chart.lines),
        *(curve(axes, series, colours[series.name]) for series in chart.series),
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_label)}</text>",
        f'<text class="axis" transform="translate(13 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(chart.y_label)}</text>',
        "</svg>",
    ]
    return "".join(parts)


def axes_of(chart: Chart) -> Axes:
    """Return ranges that hold every curve, interval and line, with some room above and below.

    Where a curve is `MUCH_LONGER` than most, x is logarithmic, or the short ones would not be seen.
    """
    xs, ys = [0.0], [value for _, value in chart.lines]
    lengths = []
    for series in chart.series:
        before = len(xs)
        for points in series.seeds:
            xs += [x for x, _ in points]
            ys += [y for _, y in points]
        if series.band is not None:
            xs += series.band.x.tolist()
            ys += series.band.middle.tolist()
            ys += [] if series.band.ends is None else series.band.ends.ravel().tolist()
        lengths += [max(xs[before:])] if len(xs) > before else []
    low, high = min(ys), max(ys)
    is_flat = high - low <= 1e-9 * abs(high)
    room = max(1.0, abs(high)) * 0.5 if is_flat else (high - low) * 0.06
    first, last = min((x for x in xs if x > 0), default=1.0), max(xs) or 1.0
    is_log = bool(lengths) and 0 < MUCH_LONGER * float(np.median(lengths)) < last
    return Axes(first if is_log else 0.0, last, low - room, high + room, is_log)


def curve(axes: Axes, series: Series, colour: str) -> str:
    """Draw the seeds thin, the interval as an area, the mean on top."""
    parts = [f'<g class="series {colour}"><title>{escape(series.label)}</title>']
    for points in series.seeds:
        kind = "thin" if series.band is None else "thin faint"
        places = [axes.point(x, y) for x, y in points]
        if len(places) == 1:
            parts.append(dot(places[0]))
        else:
            parts.append(f'<polyline class="{kind}" points="{" ".join(places)}"/>')
    if series.band is not None:
        parts += band_parts(axes, series.band.x, series.band.middle, series.band.ends)
    return "".join([*parts, "</g>"])


def band_parts(axes: Axes, x: np.ndarray, middle: np.ndarray, ends: np.ndarray | None) -> list[str]:
    parts = []
    if ends is not None:
        there = [axes.point(*place) for place in zip(x, ends[0], strict=True)]
        back = [axes.point(*place) for place in zip(x[::-1], ends[1][::-1], strict=True)]
        parts.append(f'<polygon class="band" points="{" ".join([*there, *back])}"/>')
    places = [axes.point(*place) for place in zip(x, middle, strict=True)]
    if len(places) == 1:
        return [dot(places[0])]
    kind = "thin" if ends is None else "mean"
    return [*parts, f'<polyline class="{kind}" points="{" ".join(places)}"/>']


def dot(place: str) -> str:
    x, y = place.split(",")
    return f'<circle class="dot" cx="{x}" cy="{y}" r="3.5"/>'


def reference(axes: Axes, name: str, value: float) -> str:
    start, end = axes.point(axes.x_low, value).split(","), axes.point(axes.x_high, value).split(",")
    return (
        f'<line class="reference" x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}"/>'
        f'<text class="note" x="{end[0]}" y="{float(end[1]) - 3:.1f}" text-anchor="end">{escape(name)}</text>'
    )


def grid(axes: Axes, x_text: Callable[[float], str], x_places: Sequence[float]) -> list[str]:
    """Draw lines and numbers at round places."""
    parts = []
    for value in ticks(axes.y_low, axes.y_high):
        x, y = axes.point(axes.x_low, value).split(",")
        parts.append(f'<line class="grid" x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{float(y) + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for value in x_places:
        x, y = axes.point(value, axes.y_low).split(",")
        parts.append(f'<line class="grid" x1="{x}" y1="{TOP}" x2="{x}" y2="{y}"/>')
        parts.append(f'<text x="{x}" y="{float(y) + 16:.1f}" text-anchor="middle">{x_text(value)}</text>')
    return parts


def x_ticks(axes: Axes, is_time: bool) -> Sequence[float]:
    """Return round places along x: of a logarithmic one at most seven, powers of ten or round times."""
    if not axes.is_log:
        return ticks(axes.x_low, axes.x_high, time_step(axes.x_high) if is_time else None)
    places = ROUND_TIMES if is_time else [10.0**power for power in range(-3, 100)]
    inside = [place for place in places if axes.x_low <= place <= axes.x_high]
    return inside[:: math.ceil(len(inside) / 7) or 1]


def ticks(low: float, high: float, step: float | None = None) -> Sequence[float]:
    """Return three to seven round numbers in a range."""
    if step is None:
        step = round_step((high - low) / 5)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [index * step for index in range(first, min(last, first + 10) + 1)]


def round_step(rough: float) -> float:
    """Return 1, 2 or 5 times a power of ten, near the given step."""
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-300)))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda size: abs(size - rough))


def short(value: float) -> str:
    """Write a number with k, M or G."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def time(seconds: float) -> str:
    """Write a time in its own unit."""
    return time_text(seconds * 2)(seconds)


def time_unit(longest: float) -> tuple[float, str]:
    return (3600.0, "h") if longest >= 7200 else (60.0, "min") if longest >= 120 else (1.0, "s")


def time_text(longest: float) -> Callable[[float], str]:
    """Return what writes seconds in the unit that fits the longest time."""
    unit, name = time_unit(longest)
    return lambda seconds: f"{seconds / unit:.3g} {name}" if seconds else "0"


def time_step(longest: float) -> float:
    """Return a step that is round in its unit."""
    unit, _ = time_unit(longest)
    return unit * round_step(longest / unit / 5)
