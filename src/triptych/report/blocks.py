"""What a report consists of, whatever it is written as: sections of paragraphs, tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from triptych.report.comparison import Band


class Paragraph(NamedTuple):
    """Plain text, as all texts here are: whoever writes it as HTML or Markdown escapes it."""

    text: str


class Table(NamedTuple):
    """Texts in rows; the first column names the row."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Series(NamedTuple):
    """One algorithm's curve.

    Attributes:
        name, label: of the algorithm, which has one colour everywhere; what the legend says.
        band: over seeds; ``None`` where seeds have no stretch in common.
        seeds: points ``(x, y)`` of each seed, drawn thin.
    """

    name: str
    label: str
    band: Band | None
    seeds: Sequence[Sequence[tuple[float, float]]]


class Chart(NamedTuple):
    """Curves on common axes.

    Attributes:
        lines: horizontal lines by their names, such as the human score.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    lines: Sequence[tuple[str, float]] = ()
    is_time: bool = False


class Charts(NamedTuple):
    """Charts side by side where there is room, with one legend."""

    charts: Sequence[Chart]


Block = Paragraph | Table | Charts


class Section(NamedTuple):
    """A heading, its level, and what stands below it; ``name`` is what links to it say."""

    level: int
    title: str
    blocks: Sequence[Block]
    name: str = ""
