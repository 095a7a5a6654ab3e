"""Numbers with their intervals as SVG: a row for each question, a dot and a line for each group."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from blockqnn.diagram.axis import Axis, axis
from blockqnn.diagram.text import escaped, px, text_width

_FONT, _TITLE = 11, 12  # pixels, as in the style sheet
_ABOVE, _GROUP, _BETWEEN, _BELOW = 28, 16, 12, 48
_COLORS = (("#1f6feb", "#58a6ff"), ("#bc4c00", "#f0883e"), ("#2da44e", "#3fb950"))


def _styled(place: int) -> str:
    """Dots and lines of each group on light (0) or dark (1) ground."""
    return "\n".join(
        f".bq-ranges .of-{n} {{ fill: {colors[place]}; stroke: {colors[place]}; }}"
        for n, colors in enumerate(_COLORS)
    )


_STYLE = f"""
.bq-ranges {{ font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }}
.bq-ranges text {{ fill: #59636e; dominant-baseline: central; }}
.bq-ranges .title {{ font-size: 12px; fill: #1f2328; }}
.bq-ranges .grid {{ stroke: #e4e7eb; stroke-width: 1; }}
.bq-ranges .line {{ stroke-width: 2; stroke-linecap: round; }}
{_styled(0)}
@media screen and (prefers-color-scheme: dark) {{
.bq-ranges text {{ fill: #9da7b3; }}
.bq-ranges .title {{ fill: #e6edf3; }}
.bq-ranges .grid {{ stroke: #262c34; }}
{_styled(1)}
}}
"""


class Interval(NamedTuple):
    low: float
    value: float
    high: float


class Asked(NamedTuple):
    """One question: an interval for each group, in the order of the groups."""

    label: str
    intervals: tuple[Interval, ...]


def intervals_picture(
    asked: Sequence[Asked], groups: Sequence[str], title: str, across: str, room: int = 420
) -> str:
    """`groups`, at most three, are named below; `room` is the width of the axis in pixels."""
    values = [v for one in asked for interval in one.intervals for v in interval]
    scale = axis(values, 6, widened=True)
    row = _GROUP * len(groups) + _BETWEEN
    left = max((text_width(one.label, _FONT) for one in asked), default=0.0) + 14
    bottom = _ABOVE + row * len(asked)
    names = sum(text_width(group, _FONT) + 40 for group in groups)
    width = px(max(left + room + 24, left + names, text_width(title, _TITLE)))
    height = px(bottom + _BELOW + 18)
    told = "; ".join(
        f"{one.label}, {group}: {i.value:.4g} ({i.low:.4g} to {i.high:.4g})"
        for one in asked
        for group, i in zip(groups, one.intervals, strict=True)
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bq-ranges" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}">',
            f"<title>{escaped(title)}</title>",
            f"<desc>{escaped(told)}</desc>",
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="0" y="9">{escaped(title)}</text>',
            *_axis(scale, left, room, bottom, across),
            *(
                line
                for number, one in enumerate(asked)
                for line in _row(one, _ABOVE + number * row, row, left, room, scale)
            ),
            *_legend(groups, left, bottom + _BELOW),
            "</svg>\n",
        ]
    )


def _axis(scale: Axis, left: float, room: int, bottom: float, across: str) -> Iterator[str]:
    for value, label in zip(scale.ticks, scale.labels, strict=True):
        x = px(left + scale.share(value) * room)
        yield f'<path class="grid" d="M{x} {_ABOVE - 6}V{px(bottom)}"/>'
        yield f'<text x="{x}" y="{px(bottom + 12)}" text-anchor="middle">{escaped(label)}</text>'
    middle = px(left + room / 2)
    yield f'<text x="{middle}" y="{px(bottom + 28)}" text-anchor="middle">{escaped(across)}</text>'


def _row(one: Asked, top: float, row: int, left: float, room: int, scale: Axis) -> Iterator[str]:
    y = px(top + (row - _BETWEEN) / 2)
    yield f'<text x="{px(left - 14)}" y="{y}" text-anchor="end">{escaped(one.label)}</text>'
    for number, interval in enumerate(one.intervals):
        y = px(top + (number + 0.5) * _GROUP)
        low, middle, high = (px(left + scale.share(v) * room) for v in interval)
        yield f'<path class="line of-{number}" d="M{low} {y}H{high}"/>'
        yield f'<circle class="dot of-{number}" cx="{middle}" cy="{y}" r="4"/>'


def _legend(groups: Sequence[str], left: float, y: float) -> Iterator[str]:
    x = left
    for number, group in enumerate(groups):
        yield f'<path class="line of-{number}" d="M{px(x)} {px(y)}h16"/>'
        yield f'<circle class="dot of-{number}" cx="{px(x + 8)}" cy="{px(y)}" r="4"/>'
        yield f'<text x="{px(x + 22)}" y="{px(y)}">{escaped(group)}</text>'
        x += text_width(group, _FONT) + 40
