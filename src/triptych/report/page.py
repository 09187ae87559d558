"""The report as one HTML page without scripts and without anything from elsewhere, and as Markdown."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from triptych.report.blocks import Block, Chart, Charts, Paragraph, Section, Series, Table
from triptych.report.cards import Card, videos_to_embed
from triptych.report.drawing import colours_of, draw
from triptych.report.wording import duration, number

# Nothing is run and nothing is loaded, whatever a run's folder holds: only the page's own style and embedded videos.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src data:; base-uri 'none'; form-action 'none'"
LONG = 42  # characters of a cell that may be broken into lines
METHOD = (
    "A run counts with the mean return of its final evaluation; unfinished runs are in the curves alone. Runs are "
    "averaged where they differ in their seed alone, or in how long they went on, as their frames say. Mean, median, "
    "interquartile mean (IQM) and optimality gap are those of Agarwal et al. 2021 (arXiv 2108.13264); intervals are "
    "percentiles of a bootstrap that draws seeds with replacement within each environment, with a fixed seed. With "
    "fewer than two seeds in an environment there is no interval, and with a handful it is too narrow. Curves are "
    "means as far as every seed has come, interpolated between evaluations. Times hold for the machine that each run "
    "names. Scores of different protocols do not compare and share no table and no chart."
)


def html_page(sections: Sequence[Section], cards: Sequence[Card], files_beside: Sequence[str], directory: Path) -> str:
    """Write the page that is to lie in ``directory``; all texts are escaped."""
    names = [series.name for section in sections for chart in _charts(section) for series in chart.series]
    colours = colours_of([*names, *(card.run.algo for card in cards)])
    style = files("triptych.report").joinpath("page.css").read_text()
    embedded = videos_to_embed(cards)
    videos = {path: _video(path, path in embedded, directory) for card in cards for path in card.videos}
    last = [Section(2, title, []) for title in ("Runs", "How the numbers are made")]
    body = [
        "<h1>Results</h1>",
        f"<nav>{''.join(_link(section) for section in [*sections, *last])}</nav>",
        *(_section(section, colours) for section in sections),
        _section(last[0], colours),
        *(_card(card, colours, videos) for card in cards),
        _section(last[1], colours),
        f"<p>{escape(METHOD)}</p>",
        f"<footer>Beside this page: {', '.join(_file_link(name) for name in files_beside)}.</footer>",
    ]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Results</title><style>\n{style}</style></head><body>"
    )
    return "\n".join([head, *body, "</body></html>"]) + "\n"


def markdown_page(sections: Sequence[Section], picture: str | None) -> str:
    """Write the same without curves and runs; the picture of the curves is shown where there is one."""
    parts = ["# Results"]
    for section in sections:
        parts.append(f"{'#' * section.level} {_plain(section.title)}")
        parts += [_markdown(block) for block in section.blocks if not isinstance(block, Charts)]
    if picture is not None:
        parts.append(f"## Curves\n\n![Mean returns of evaluations]({picture})")
    parts.append(f"## How the numbers are made\n\n{METHOD}")
    return "\n\n".join(parts) + "\n"


def _charts(section: Section) -> list[Chart]:
    return [chart for block in section.blocks if isinstance(block, Charts) for chart in block.charts]


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title).strip("-").lower()


def _link(section: Section) -> str:
    kind = ' class="top"' if section.level == 2 else ""
    return f'<a{kind} href="#{_anchor(section.title)}">{escape(section.name or section.title)}</a>'


def _file_link(name: str) -> str:
    return f'<a href="{quote(name)}">{escape(name)}</a>'


def _section(section: Section, colours: Mapping[str, str]) -> str:
    heading = f'<h{section.level} id="{_anchor(section.title)}">{escape(section.title)}</h{section.level}>'
    return "\n".join([heading, *(_block(block, colours) for block in section.blocks)])


def _block(block: Block, colours: Mapping[str, str]) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    return _table(block) if isinstance(block, Table) else _figure(block, colours)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    return f'{caption}<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(text: str) -> str:
    kind = ' class="long"' if len(text) > LONG else ""
    return f"<td{kind}>{escape(text)}</td>"


def _figure(block: Charts, colours: Mapping[str, str]) -> str:
    pictures = "".join(f"<div>{draw(chart, colours)}</div>" for chart in block.charts)
    legend = "".join(
        f'<li class="{colours[series.name]}"><svg viewBox="0 0 32 12"><polyline class="mean" points="0,6 32,6"/></svg>'
        f"<span>{escape(series.label)}</span></li>"
        for series in block.charts[0].series
    )
    kind = "charts" if len(block.charts) > 1 else "charts single"
    return f'<figure><div class="{kind}">{pictures}</div><ul class="legend">{legend}</ul></figure>'


def _card(card: Card, colours: Mapping[str, str], videos: Mapping[Path, str]) -> str:
    run = card.run
    result = "no final evaluation" if run.return_mean is None else f"return {number(run.return_mean)}"
    words = f"{run.status}, {result}, {run.frames:,} frames, {duration(run.wall_time_s)}"
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in card.facts.items())
    videos_told = "".join(videos[path] for path in card.videos)
    config = f"<details><summary>Configuration</summary><pre>{escape(card.config)}</pre></details>"
    chart = ""
    if card.points:
        points = [(frames, value) for frames, _, value in card.points]
        own = Chart(card.title, "frames", "mean return", [Series(run.algo, "one seed", None, [points])])
        chart = f"<div>{draw(own, colours)}</div>"
    return (
        f'<details><summary>{escape(card.title)} <span class="result">{escape(words)}</span></summary>'
        f'<div class="card"><dl>{facts}</dl>{chart}</div>{videos_told}{config if card.config else ""}</details>'
    )


def _video(video: Path, is_embedded: bool, directory: Path) -> str:
    if is_embedded:
        data = base64.b64encode(video.read_bytes()).decode()
        return f'<p><video controls preload="none" src="data:video/mp4;base64,{data}"></video></p>'
    relative = Path(os.path.relpath(video.resolve(), directory.resolve())).as_posix()
    return f'<p><a href="{quote(relative)}">{escape(video.name)}</a></p>'


def _markdown(block: Block) -> str:
    if isinstance(block, Table):
        lines = [_line(block.columns), _line(["---"] * len(block.columns)), *map(_line, block.rows)]
        caption = f"{_plain(block.caption)}\n\n" if block.caption else ""
        return caption + "\n".join(lines)
    return _plain(block.text) if isinstance(block, Paragraph) else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Make text that Markdown shows as it is: no HTML, no columns, no new lines, no links and pictures."""
    told = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", told)
