"""Pictures of self-play: NashConv beside CFR+, and Elo of a run's checkpoints."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from triptych.files import read_json, replacing
from triptych.report.blocks import Chart, Series
from triptych.report.comparison import FRAMES, Entry
from triptych.report.drawing import short
from triptych.report.sections import series_of
from triptych.report.wording import number
from triptych.report.writing import draw_chart

NASH_CONV = "eval/nash_conv"
Y_LABEL = "NashConv, chips per game"
MANY_DECADES = 300.0  # a longer logarithmic axis has numbers at powers of ten alone


class Reference(NamedTuple):
    """What CFR+ came to in one game, and uniform play."""

    points: Sequence[tuple[float, float]]  # iterations, NashConv
    uniform_nash_conv: float


class CheckpointRating(NamedTuple):
    """Elo of a checkpoint with its interval."""

    frames: float
    elo: float
    low: float
    high: float


def read_references(path: Path) -> dict[str, Reference]:
    """Read what ``scripts/cfr_plus.py`` wrote, by the games' names.

    Raises:
        ValueError: the file is none of these.
    """
    try:
        return {
            name: Reference(
                [(_number(x), _number(y)) for x, y in zip(game["iterations"], game["nash_conv"], strict=True)],
                _number(game["uniform_nash_conv"]),
            )
            for name, game in read_json(path)["games"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not what scripts/cfr_plus.py writes ({_told(error)})") from error


def read_ratings(path: Path) -> tuple[str, list[CheckpointRating]]:
    """Read the environment's name and the ratings that ``scripts/tournament.py --each-other`` wrote.

    Raises:
        ValueError: the file is none of these.
    """
    try:
        found = read_json(path)
        ratings = [
            CheckpointRating(*(_number(row[name]) for name in CheckpointRating._fields)) for row in found["ratings"]
        ]
        if not isinstance(found["env"], str) or not re.fullmatch(r"\w[\w.+-]*", found["env"]) or not ratings:
            raise ValueError("there is no name of an environment, or there are no ratings")
        return found["env"], ratings
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not what scripts/tournament.py --each-other writes ({_told(error)})") from error


def _number(value: Any) -> float:
    found = math.nan if isinstance(value, bool | str) else float(value)
    if not math.isfinite(found):
        raise ValueError(f"{value!r} is no finite number")
    return found


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def draw_nash_conv(entries: Sequence[Entry], reference: Reference | None, path: Path) -> None:
    """Draw NashConv of runs of one environment against frames, and that of CFR+ against its iterations, as a PNG.

    All axes are logarithmic. The unit of CFR+ is another, so it has axes of its own that share those of NashConv.

    Raises:
        ValueError: no run has a NashConv, or the runs are of several environments.
    """
    drawn = [entry for entry in entries if entry.curves_of(NASH_CONV)]
    if not drawn or len({entry.env for entry in entries}) != 1:
        raise ValueError(f"{path.name} is drawn of runs of one environment, and from their {NASH_CONV}")
    env = drawn[0].env
    lines = []
    if reference is not None:
        lines = [(f"uniform play {number(reference.uniform_nash_conv)}", reference.uniform_nash_conv)]
    series = [series_of(entry, FRAMES, NASH_CONV) for entry in drawn]
    charts = [Chart(f"{env}: learned by self-play", "frames (moves that were played)", Y_LABEL, series, lines)]
    if reference is not None:
        cfr_plus = Series("CFR+", "CFR+ (knows the rules; its unit is the iteration)", None, [reference.points])
        charts.append(Chart("computed: CFR+", "iterations, each through the whole game", Y_LABEL, [cfr_plus], lines))
    colours = {name: f"C{index % 10}" for index, name in enumerate(sorted(one.name for one in series))}
    figure, axes = _make_figure(len(charts))
    for chart, place in zip(charts, axes, strict=True):
        draw_chart(chart, place, colours | {"CFR+": "black"})
        place.set_title(chart.title, fontsize="medium")
        _make_logarithmic(place)
    for place in axes[1:]:
        place.set_ylabel("")
        place.tick_params(labelleft=True)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    _save(figure, path)


def draw_elo(env: str, ratings: Sequence[CheckpointRating], path: Path) -> None:
    """Draw Elo of checkpoints against frames, with their intervals, as a PNG."""
    figure, (place,) = _make_figure(1)
    frames, elo, low, high = zip(*sorted(ratings), strict=True)
    errors = [
        [max(middle - end, 0.0) for middle, end in zip(elo, low, strict=True)],
        [max(end - middle, 0.0) for middle, end in zip(elo, high, strict=True)],
    ]
    place.errorbar(frames, elo, errors, marker="o", markersize=4, capsize=4, linewidth=1.5)
    place.set_title(f"{env}: checkpoints of one run against each other", fontsize="medium")
    place.set_xlim(left=0)
    place.set_xlabel("frames (moves of self-play)")
    place.set_ylabel("Elo with 95% interval; their mean is 0")
    place.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    place.grid(alpha=0.3)
    _save(figure, path)


def _make_figure(num_axes: int) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 + 3.5 * num_axes, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    widths = [3.0, 2.0][:num_axes]
    return figure, list(figure.subplots(1, num_axes, sharey=True, squeeze=False, width_ratios=widths)[0])


def _make_logarithmic(place: Any) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    place.set_xscale("log")
    place.set_yscale("log")
    place.autoscale(axis="x")
    for axis, digits in ((place.xaxis, (1, 2, 5)), (place.yaxis, (1,))):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=digits if high / low < MANY_DECADES else (1,)))
        axis.set_major_formatter(lambda value, _: short(value))
        axis.set_minor_locator(NullLocator())


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
