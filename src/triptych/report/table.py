"""Results as markdown: one table per protocol, one row per group of seeds."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from triptych.report.runs import Run
from triptych.report.wording import frames_of

COLUMNS = (
    "algo", "env", "protocol", "seeds", "frames", "return", "human-normalised", "frames/s", "wall-clock",
)  # fmt: skip


def markdown_tables(groups: Sequence[Sequence[Run]]) -> str:
    """Write a table for each protocol; results of different protocols are not comparable.

    Return is the mean over seeds of the final evaluations, ± their sample standard deviation. Only finished
    runs count; a group without any has dashes.
    """
    blocks = []
    by_protocol = sorted(groups, key=lambda group: group[0].protocol)
    for protocol, members in itertools.groupby(by_protocol, key=lambda group: group[0].protocol):
        lines = [
            f"### Protocol {protocol}",
            "",
            _line(COLUMNS),
            _line(["---"] * 3 + ["---:"] * (len(COLUMNS) - 3)),
        ]
        lines += [_line(_cells(group)) for group in members]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(group: Sequence[Run]) -> list[str]:
    finished = [run for run in group if run.return_mean is not None]
    counted = finished or group
    is_complete = all(run.status == "finished" for run in group)
    word = "evaluated" if is_complete else "finished"  # test=false ends a run without its final evaluation
    seeds = f"{len(group)}" if len(finished) == len(group) else f"{len(finished)} of {len(group)} {word}"
    return [
        group[0].algo,
        group[0].env,
        group[0].protocol,
        seeds,
        frames_of([run.frames for run in counted]),
        _mean_and_std([run.return_mean for run in finished if run.return_mean is not None]),
        _mean([run.human_normalized_score for run in finished], "{:.2f}"),
        _mean([run.frames_per_second for run in counted], "{:,.0f}"),
        _mean([run.wall_time_s / 60 for run in counted], "{:.1f} min"),
    ]


def _mean_and_std(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.2f}" if values else "-"
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}"


def _mean(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(statistics.fmean(known)) if known else "-"
