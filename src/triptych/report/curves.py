"""Learning curves: return against frames, with the clock on the wall beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from triptych.files import replacing
from triptych.report.groups import group_runs
from triptych.report.runs import Run, read_metrics, read_run

MOST_INSIDE = 5  # entries of a legend that hides no curves
LABEL_WIDTH = 56  # characters in a line of a legend of two columns
NUM_COLOURS = 10  # that are far apart; more come in twenty
PARTS = 40  # of a run, of each of which the mean training return is drawn


def draw_curves(run_folders: Sequence[Path], path: Path, protocol: str | None = None) -> None:
    """Draw the training and evaluation returns of runs of one env and protocol as a PNG.

    One colour per group of seeds: thin lines are the training returns, in means of fortieths of a run, marked lines
    the evaluations. Random and human scores are dashed. A single run has its wall-clock minutes on a second axis too.

    Args:
        run_folders: of the runs.
        path: of the picture.
        protocol: its name in the title, where preprocessing of its own has given it another one.

    Raises:
        ValueError: no run, or runs of several envs or protocols.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    runs = [read_run(folder) for folder in run_folders]
    if len({(run.env, run.protocol) for run in runs}) != 1:
        raise ValueError("Curves share axes only within one env and protocol.")
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    groups = group_runs(runs)
    colours = [f"C{index}" for index in range(len(groups))]
    if len(groups) > NUM_COLOURS:  # the strong ones first
        twenty = colormaps["tab20"].colors  # type: ignore[attr-defined]
        colours = [twenty[(2 * index) % 20 + (index // 10) % 2] for index in range(len(groups))]
    for colour, group in zip(colours, groups, strict=True):
        for run in group:
            is_first = run is group[0]
            interval = run.curve("collect/interval_return_mean")
            training = interval if interval[0] else run.curve("collect/return_mean")  # older runs have no other
            axes.plot(*means_of_parts(*training), color=colour, linewidth=1, alpha=0.5)
            axes.plot(
                *run.curve("eval/return_mean"),
                color=colour,
                marker="o",
                markersize=3,
                linewidth=1.5,
                label=textwrap.fill(_label(group), LABEL_WIDTH) if is_first else None,
            )
    scores = runs[0].scores
    if scores is not None:
        for name, score, color in zip(("random", "human"), scores, ("grey", "black"), strict=True):
            axes.axhline(score, linestyle="--", linewidth=1, color=color, label=f"{name} {score:g}")
    axes.set_xlim(left=0)
    axes.set_xlabel("frames")
    axes.set_ylabel("return  (line: training, marked: evaluation)")
    axes.set_title(f"{runs[0].env}, protocol {protocol or runs[0].protocol}")
    axes.xaxis.set_major_formatter(_short)
    axes.grid(alpha=0.3)
    labels = axes.get_legend_handles_labels()[1]
    if len(labels) > MOST_INSIDE:
        num_lines = sum(label.count("\n") + 1 for label in labels) / 2
        figure.set_figheight(5 + 0.18 * max(num_lines - 4, 0))
        figure.legend(fontsize="small", ncols=2, loc="outside lower center")
    else:
        axes.legend(fontsize="small")
    if len(runs) == 1:
        minutes = axes.twiny()
        ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= runs[0].frames]
        minutes.set_xlim(axes.get_xlim())
        form = "{:.1f}" if runs[0].wall_time_s < 600 else "{:.0f}"
        minutes.set_xticks(ticks, [form.format(value) for value in _minutes(runs[0], ticks)])
        minutes.set_xlabel("wall-clock minutes")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def means_of_parts(
    frames: Sequence[int], values: Sequence[float], num_parts: int = PARTS
) -> tuple[list[float], list[float]]:
    """Return a curve of ``num_parts`` points at most: the means over equal parts of its frames.

    A row tells of a few games only where rows are close, which makes a band of the line.
    """
    if len(frames) <= num_parts:
        return [float(frame) for frame in frames], list(values)
    part = np.minimum(np.asarray(frames) * num_parts // max(frames[-1], 1), num_parts - 1)
    chosen = [part == index for index in np.unique(part)]
    return [float(np.mean(np.asarray(frames)[rows])) for rows in chosen], [
        float(np.mean(np.asarray(values)[rows])) for rows in chosen
    ]


def _label(group: Sequence[Run]) -> str:
    minutes = np.mean([run.wall_time_s for run in group]) / 60
    seeds = f"seed {group[0].seed}" if len(group) == 1 else f"{len(group)} seeds"
    return f"{group[0].algo}, {seeds}, {minutes:.1f} min"


def _minutes(run: Run, frames: Sequence[float]) -> list[float]:
    rows = [row for row in read_metrics(run.folder) if row["wall_time_s"]]
    known_frames = [0.0, *(float(row["frames"]) for row in rows)]
    known_seconds = [0.0, *(float(row["wall_time_s"]) for row in rows)]
    return (np.interp(frames, known_frames, known_seconds) / 60).tolist()


def _short(frames: float, position: float) -> str:
    return f"{frames / 1e6:g}M" if frames >= 1e6 else f"{frames / 1e3:g}k" if frames >= 1e3 else f"{frames:g}"
