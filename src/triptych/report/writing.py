"""The files of a report: the page, tables for people and for programs, and a picture of the curves."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.files import replacing, write_text
from triptych.report import comparison, statistics
from triptych.report.blocks import Chart, Charts, Section
from triptych.report.cards import make_cards
from triptych.report.comparison import Entry, make_entries
from triptych.report.drawing import axes_of
from triptych.report.page import html_page, markdown_page
from triptych.report.runs import Run
from triptych.report.sections import overview, protocol_sections

MAX_PIXELS = 60_000  # of the picture's height; matplotlib draws no more than 2**16
PAGE, TABLES, SCORES, RUNS, CURVES = "index.html", "report.md", "scores.csv", "runs.csv", "curves.png"


def write_report(runs: Sequence[Run], notes: Sequence[str], directory: Path, metrics: Sequence[str] = ()) -> list[Path]:
    """Write a report of these runs; return its files, the page first.

    The picture of the curves needs matplotlib and is left out without it.

    Args:
        notes: a sentence about each folder that was left out.
        metrics: columns of ``metrics.csv`` that get charts of their own beside the returns.
    """
    entries = make_entries(runs)
    cards = make_cards(entries)
    errors = {card.run.folder: card.facts["error"] for card in cards if "error" in card.facts}
    sections = [*overview(entries, notes, errors), *protocol_sections(entries, metrics)]
    has_picture = draw_picture(sections, directory / CURVES)
    beside = [TABLES, SCORES, RUNS, *([CURVES] if has_picture else [])]
    texts = {
        SCORES: csv_text([score_row(entry) for entry in entries]),
        RUNS: csv_text([run_row(run) for entry in entries for run in entry.runs]),
        TABLES: markdown_page(sections, CURVES if has_picture else None),
        PAGE: html_page(sections, cards, beside, directory),
    }
    for name, text in texts.items():
        write_text(directory / name, text.encode(errors="replace").decode())  # half a character cannot be written
    return [directory / name for name in (PAGE, *beside)]


def score_row(entry: Entry) -> dict[str, object]:
    """Return the numbers of one algorithm on one env under one protocol."""
    returns, threshold = [entry.returns], comparison.solved_return([entry])
    has_scores = len(entry.returns) > 0
    low, high = (statistics.interval(statistics.mean, returns) or ("", "")) if has_scores else ("", "")
    ways = comparison.ways(entry, threshold) if threshold is not None else []
    reached = [way for way in ways if way.frames < math.inf]
    return {
        "protocol": entry.protocol,
        "env": entry.env,
        "algo": entry.algo,
        "seeds": len(entry.runs),
        "evaluated": len(entry.evaluated),
        "frames_mean": np.mean([run.frames for run in entry.counted]),
        "wall_time_s_mean": np.mean([run.wall_time_s for run in entry.counted]),
        "return_mean": statistics.mean(returns) if has_scores else "",
        "return_mean_low": low,
        "return_mean_high": high,
        "return_iqm": statistics.iqm(returns) if has_scores else "",
        "human_normalized_mean": entry.normalized.mean() if len(entry.normalized) else "",
        "threshold": "" if threshold is None else threshold,
        "reached": len(reached) if ways else "",
        "frames_to_threshold_of_those": np.median([way.frames for way in reached]) if reached else "",
        "seconds_to_threshold_of_those": np.median([way.seconds for way in reached]) if reached else "",
    }


def run_row(run: Run) -> dict[str, object]:
    """Return the numbers of one run."""
    return {
        "protocol": run.protocol,
        "env": run.env,
        "algo": run.algo,
        "seed": run.seed,
        "status": run.status,
        "frames": run.frames,
        "wall_time_s": run.wall_time_s,
        "return_mean": "" if run.return_mean is None else run.return_mean,
        "human_normalized_score": "" if run.human_normalized_score is None else run.human_normalized_score,
        "settings_hash": run.settings_hash,
        "folder": str(run.folder),
    }


def csv_text(rows: Sequence[dict[str, object]]) -> str:
    """Write rows of the same columns; a text that a spreadsheet would take for a formula gets an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@"))
    return f"'{value}" if is_formula else value


def draw_picture(sections: Sequence[Section], path: Path) -> bool:
    """Draw the charts of all envs below each other; return whether that could be done."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return False
    rows = [
        (section.title, block.charts[first : first + 2])
        for section in sections
        for block in section.blocks
        if isinstance(block, Charts) and len(block.charts) > 1
        for first in range(0, len(block.charts), 2)
    ]
    if not rows:
        return False
    names = sorted({series.name for _, charts in rows for chart in charts for series in chart.series})
    colours = {name: f"C{index % 10}" for index, name in enumerate(names)}
    figure = Figure(figsize=(12, 4 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 2, squeeze=False)
    for (title, charts), pair in zip(rows, axes, strict=True):
        for chart, place in zip(charts, pair, strict=False):
            draw_chart(chart, place, colours)
        for place in pair[len(charts) :]:
            place.set_axis_off()
        pair[0].set_title(shorten(title))
        pair[0].legend(fontsize="small")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=min(70, MAX_PIXELS / figure.get_figheight()))
    return True


def shorten(label: str) -> str:
    """Return a label that leaves room for the curves; a dollar sign stays one."""
    return (label if len(label) <= 60 else f"{label[:40]} ... {label[-15:]}").replace("$", r"\$")


def draw_chart(chart: Chart, place: Any, colours: Mapping[str, str]) -> None:
    """Draw one chart on matplotlib's axes."""
    for series in chart.series:
        colour = colours[series.name]
        for number, points in enumerate(series.seeds):
            label = shorten(series.label) if series.band is None and number == 0 else None
            width = 1.5 if series.band is None else 0.6
            x, y = zip(*points, strict=True)
            place.plot(
                x,
                y,
                color=colour,
                linewidth=width,
                alpha=1 if series.band is None else 0.5,
                label=label,
                marker="o" if len(points) == 1 else None,
            )
        if series.band is not None:
            place.plot(series.band.x, series.band.middle, color=colour, linewidth=2, label=shorten(series.label))
            if series.band.ends is not None:
                place.fill_between(series.band.x, *series.band.ends, color=colour, alpha=0.2, linewidth=0)
    for name, value in chart.lines:
        place.axhline(value, color="grey", linestyle="--", linewidth=1)
        place.annotate(
            name, (1, value), (-3, 3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
            fontsize=8, color="grey",
        )  # fmt: skip
    place.set_xlabel(f"{chart.x_label}, seconds" if chart.is_time else chart.x_label)
    place.set_ylabel(chart.y_label)
    if axes_of(chart).is_log:
        place.set_xscale("log")
    else:
        place.set_xlim(left=0)
    place.grid(alpha=0.3)
