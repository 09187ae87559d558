"""The sections of a report: what is missing, and per protocol the aggregates and each env's curves and scores."""

from __future__ import annotations

import itertools
import math
import statistics as plain
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from triptych.report import comparison, statistics
from triptych.report.blocks import Block, Chart, Charts, Paragraph, Section, Series, Table
from triptych.report.comparison import FRAMES, RETURN, SECONDS, Entry
from triptych.report.published import PublishedScore, scores_beside
from triptych.report.runs import Run
from triptych.report.wording import (
    COVERAGE,
    NOTHING,
    count,
    duration,
    estimate,
    frames_of,
    number,
    tell_envs,
    with_interval,
)


def seeds_of(entry: Entry) -> str:
    finished = len(entry.evaluated)
    return f"{finished}" if finished == len(entry.runs) else f"{finished} of {len(entry.runs)}"


def overview(entries: Sequence[Entry], notes: Sequence[str], errors: Mapping[Path, str]) -> list[Section]:
    """Say how much there is, what a whole sweep would have besides, and which folders are broken or left out.

    Args:
        errors: of the runs that tell one, by their folder.
    """
    runs = [run for entry in entries for run in entry.runs]
    finished = sum(comparison.is_whole(run) for run in runs)
    words = ", ".join(
        (
            count(len(runs), "run") + f" ({finished} finished)",
            count(len({entry.algo for entry in entries}), "algorithm"),
            count(len({entry.env for entry in entries}), "environment"),
            count(len({entry.protocol for entry in entries}), "protocol"),
        )
    )
    sections = [Section(2, "Overview", [Paragraph(f"{words}.")])]
    lacking = comparison.missing(entries)
    if lacking:
        rows = [[entry.algo, entry.env, entry.protocol, "; ".join(words)] for entry, words in lacking]
        sections.append(Section(2, "Missing", [Table("", ("algo", "env", "protocol", "what is missing"), rows)]))
    failed = [
        [f"{run.folder}: {errors.get(run.folder, 'it tells no error')}", run.status]
        for run in runs
        if run.status == "failed"
    ]
    rows = [*([note, "left out"] for note in notes), *failed]
    if rows:
        sections.append(Section(2, "Broken or left out", [Table("", ("folder and reason", "status"), rows)]))
    return sections


def protocol_sections(entries: Sequence[Entry], metrics: Sequence[str] = ()) -> list[Section]:
    """Write the sections of each protocol; no table and no chart holds two of them.

    Args:
        metrics: columns of ``metrics.csv`` that get charts of their own beside the returns.
    """
    sections = []
    by_protocol = sorted(entries, key=lambda entry: entry.protocol)
    for protocol, members in itertools.groupby(by_protocol, key=lambda entry: entry.protocol):
        own = list(members)
        title = "No protocol (off Atari)" if protocol == "none" else f"Protocol {protocol}"
        sections.append(Section(2, title, [*normalized_blocks(own), *improvement_blocks(own)]))
        for env, group in itertools.groupby(sorted(own, key=lambda entry: entry.env), key=lambda entry: entry.env):
            sections.append(Section(3, f"{env}, protocol {protocol}", env_blocks(list(group), metrics), env))
    return sections


def normalized_blocks(entries: Sequence[Entry]) -> list[Block]:
    """Write the aggregates of human-normalised scores of one protocol's algorithms, and their curve."""
    by_algo: dict[str, list[Entry]] = {}
    for entry in entries:
        if len(entry.normalized):
            by_algo.setdefault(entry.algo, []).append(entry)
    every = {entry.env for own in by_algo.values() for entry in own}
    rows, series = [], []
    for algo, own in sorted(by_algo.items()):
        tasks = [entry.normalized for entry in own]
        values = [
            with_interval(float(statistic(tasks)), statistics.interval(statistic, tasks))
            for statistic in statistics.AGGREGATES.values()
        ]
        games, seeds = tell_envs([entry.env for entry in own], every), sum(map(len, tasks))
        rows.append([algo, *values, games, str(seeds)])
        band = comparison.normalized_band(own)
        if band is not None and len(band.x) > 1:
            drawn = sum(len(entry.evaluations) for entry in own)  # unfinished runs, too
            told = "no interval" if band.ends is None else f"{COVERAGE} interval"
            told = "one seed each" if drawn == len(own) else f"{drawn} runs, {told}"
            series.append(Series(algo, f"{algo}: {games} ({told})", band, []))
    if not rows:
        return []
    caption = (
        f"Human-normalised scores (0 random, 1 human) of the final evaluations, with {COVERAGE} intervals. "
        "Only rows over the same games compare."
    )
    blocks: list[Block] = [Table(caption, ("algo", *statistics.AGGREGATES, "games", "runs"), rows)]
    if series:
        chart = Chart("Sample efficiency", "frames", "IQM of human-normalised score", series, [("human", 1.0)])
        blocks.append(Charts([chart]))
    return blocks


def improvement_blocks(entries: Sequence[Entry]) -> list[Block]:
    """Write the probability of improvement between each pair of one protocol's algorithms."""
    every = {entry.env for entry in entries}
    rows = [
        [
            f"{found.algo} > {found.other}",
            with_interval(found.probability, found.ends),
            tell_envs(found.envs, every),
        ]
        for found in comparison.improvements(entries)
    ]
    caption = (
        "Probability of improvement: that a run of the first algorithm ends with a higher score than one of the "
        "second, whatever their budgets, on the environments where both have two seeds or more; a tie counts half."
    )
    return [Table(caption, ("pair", "probability", "environments"), rows)] if rows else []


def env_blocks(entries: Sequence[Entry], metrics: Sequence[str]) -> list[Block]:
    """Write curves and tables of one env under one protocol."""
    runs = [run for entry in entries for run in entry.runs]
    blocks: list[Block] = [*curve_blocks(entries), *metric_blocks(entries, metrics)]
    blocks += [score_table(entries), efficiency_table(entries)]
    published = scores_beside(runs)
    if published:
        blocks.append(published_table(published, runs))
    return blocks


def curve_blocks(entries: Sequence[Entry]) -> list[Block]:
    """Draw mean returns of evaluations against frames and against time."""
    drawn = [entry for entry in entries if entry.evaluations]
    blocks: list[Block] = []
    if drawn:
        lines = reference_lines(drawn)
        against = ((FRAMES, "frames", False), (SECONDS, "wall clock", True))
        blocks.append(
            Charts(
                [
                    Chart(
                        f"{drawn[0].env} against {label}",
                        label,
                        "mean return of evaluations",
                        [series_of(entry, column) for entry in drawn],
                        lines,
                        is_time,
                    )
                    for column, label, is_time in against
                ]
            )
        )
    bare = [entry.algo for entry in entries if not entry.evaluations]
    if bare:
        blocks.append(Paragraph(f"No curve yet, as nothing was evaluated: {', '.join(bare)}."))
    return blocks


def metric_blocks(entries: Sequence[Entry], metrics: Sequence[str]) -> list[Block]:
    """Draw other metrics against frames, each in a chart of its own."""
    charts = []
    for metric in metrics:
        drawn = [entry for entry in entries if entry.curves_of(metric)]
        if drawn:
            series = [series_of(entry, FRAMES, metric) for entry in drawn]
            charts.append(Chart(f"{drawn[0].env}: {metric}", "frames", metric, series))
    return [Charts(charts)] if charts else []


def series_of(entry: Entry, column: int, metric: str | None = None) -> Series:
    """Make an entry's curve of its evaluations, or of a metric; several seeds are drawn thin below their mean."""
    curves = entry.evaluations if metric is None else entry.curves_of(metric)
    seeds, band = len(curves), comparison.band(curves, column) if len(curves) > 1 else None
    drawn = "one seed" if seeds == 1 else f"{seeds} seeds"  # without a mean where they have no frames in common
    label = f"{entry.algo}, " + (drawn if band is None else f"mean of {drawn}, {COVERAGE} interval")
    thin = [[(row[column], row[RETURN]) for row in curve] for curve in curves]
    return Series(entry.algo, label, band, thin)


def reference_lines(entries: Sequence[Entry]) -> list[tuple[str, float]]:
    """Return the random, human and solved returns that lie near the curves."""
    run = entries[0].runs[0]
    known = dict(zip(("random", "human"), run.scores, strict=True)) if run.scores else {}
    threshold = comparison.solved_return(entries)
    if threshold is not None:
        known["solved"] = threshold
    returns = np.concatenate([curve[:, RETURN] for entry in entries for curve in entry.evaluations])
    low, high = returns.min(), returns.max()
    reach = (high - low) or 1.0
    return [(name, value) for name, value in known.items() if low - reach / 2 <= value <= high + reach / 2]


def score_table(entries: Sequence[Entry]) -> Table:
    """Write final scores: mean and IQM over seeds, with intervals."""
    rows = []
    for entry in entries:
        normalized = entry.normalized
        rows.append(
            [
                entry.algo,
                seeds_of(entry),
                estimate(statistics.mean, entry.returns),
                estimate(statistics.iqm, entry.returns),
                number(float(normalized.mean())) if len(normalized) else NOTHING,
                frames_of([run.frames for run in entry.counted]),
                duration(plain.fmean(run.wall_time_s for run in entry.counted)),
            ]
        )
    columns = ("algo", "seeds", "mean return", "IQM", "human-normalised", "frames", "wall clock")
    return Table(f"Final evaluations, with {COVERAGE} intervals over seeds.", columns, rows)


def efficiency_table(entries: Sequence[Entry]) -> Table:
    """Write how soon the threshold was reached, and the returns at a number of frames that all runs reached."""
    threshold = comparison.solved_return(entries)
    frames = comparison.common_frames(entries)
    columns = ["algo"]
    if threshold is not None:
        columns += [f"reached {number(threshold)}", "frames to it", "time to it"]
    if frames is not None:
        columns.append(f"return at {frames:,.0f} frames")
    rows = []
    for entry in entries:
        cells = [entry.algo]
        if threshold is not None:
            cells += way_cells(comparison.ways(entry, threshold))
        if frames is not None:
            cells.append(estimate(statistics.mean, comparison.returns_at(entry, frames)))
        rows.append(cells)
    said = "The env has no solved return." if threshold is None else (
        "Until an evaluation first reached the solved return: median over seeds, and in brackets the fastest and the "
        "slowest; a seed that never reached it counts as the slowest."
    )  # fmt: skip
    shared = (
        "" if frames is None else " Returns are compared at the frames at which the most algorithms were evaluated."
    )
    return Table(f"Sample efficiency. {said}{shared}", columns, rows)


def way_cells(ways: Sequence[comparison.Way]) -> list[str]:
    """Write how many seeds came to the threshold, and median, fastest and slowest in frames and in time."""
    if not ways:
        return [NOTHING] * 3
    cells = [f"{sum(way.frames < math.inf for way in ways)} of {len(ways)}"]
    for values, write in (([way.frames for way in ways], "{:,.0f}".format), ([way.seconds for way in ways], duration)):
        told = [
            write(value) if value < math.inf else "never" for value in (np.median(values), min(values), max(values))
        ]
        cells.append(told[0] if len(values) == 1 else f"{told[0]} [{told[1]}, {told[2]}]")
    return cells


def published_table(published: Sequence[PublishedScore], runs: Sequence[Run]) -> Table:
    """Write published scores of the same protocol."""
    own = sorted({str(run.settings["env.id"]) for run in runs if run.settings.get("env.id") is not None})
    has_versions = any(score.environment for score in published)
    rows = [
        [
            score.algorithm,
            number(score.score),
            f"{score.frames:,}",
            *([score.environment] if has_versions else []),
            score.measured,
            score.source,
        ]
        for score in sorted(published, key=lambda score: (score.frames, score.algorithm))
    ]
    columns = ("algorithm", "return", "frames", *(["environment"] if has_versions else []), "measured", "source")
    versions = (
        f" The runs here are on {', '.join(own)}; another version is another environment." if has_versions else ""
    )
    return Table(f"Published scores of the same protocol; mind the frames.{versions}", columns, rows)
