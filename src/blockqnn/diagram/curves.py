"""Numbers over numbers as SVG: lines, steps and dots between two axes."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from blockqnn.diagram.axis import Axis, axis
from blockqnn.diagram.text import escaped, px, shortened, text_width

_FONT, _SMALL = 12, 11  # pixels: title; all else, as in the style sheet
_ABOVE, _TICK, _LINE = 30, 20, 18  # the title's room; that of the numbers below; a line of text
_BETWEEN, _SWATCH = 14, 22  # entries of the legend; the sample before its text
# By number of a series: on light and on dark ground, and how its line is broken.
_COLORS = (
    ("#1f6feb", "#58a6ff", "none"),
    ("#bc4c00", "#f0883e", "none"),
    ("#2da44e", "#3fb950", "6 4"),
    ("#8250df", "#bc8cff", "2 4"),
    ("#cf222e", "#ff7b72", "9 3 2 3"),
    ("#6e7781", "#b1bac4", "none"),
    ("#0a7b83", "#39c5cf", "12 4"),
    ("#bf3989", "#f778ba", "4 2"),
)
_MOST = len(_COLORS)


def _styled(place: int) -> str:
    """Lines, dots and bands of each series on light (0) or dark (1) ground."""
    return "\n".join(
        f".bq-curves .line.of-{n} {{ stroke: {colors[place]}; stroke-dasharray: {colors[2]}; }}\n"
        f".bq-curves .dot.of-{n}, .bq-curves .band.of-{n} {{ fill: {colors[place]}; }}"
        for n, colors in enumerate(_COLORS)
    )


_STYLE = f"""
.bq-curves {{ font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }}
.bq-curves text {{ fill: #59636e; dominant-baseline: central; }}
.bq-curves .title {{ font-size: 12px; fill: #1f2328; }}
.bq-curves .grid {{ stroke: #e4e7eb; stroke-width: 1; }}
.bq-curves .axis {{ stroke: #818b98; stroke-width: 1; }}
.bq-curves .line {{ fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }}
.bq-curves .dot {{ stroke: none; }}
.bq-curves .band {{ stroke: none; fill-opacity: 0.15; }}
.bq-curves .zone {{ fill: #818b98; fill-opacity: 0.14; }}
.bq-curves .border {{ stroke: #818b98; stroke-width: 1; stroke-dasharray: 2 3; }}
.bq-curves .many {{ fill-opacity: 0.45; }}
{_styled(0)}
@media screen and (prefers-color-scheme: dark) {{
.bq-curves text {{ fill: #9da7b3; }}
.bq-curves .title {{ fill: #e6edf3; }}
.bq-curves .grid {{ stroke: #262c34; }}
.bq-curves .axis {{ stroke: #7d8793; }}
{_styled(1)}
}}
"""


class Series(NamedTuple):
    """Points from left to right, and how they are drawn; what is not finite is left out.

    `band` holds (x, lowest, highest) of what the points stand for.
    """

    label: str
    points: tuple[tuple[float, float], ...]
    form: Literal["line", "step", "dots"] = "line"
    band: tuple[tuple[float, float, float], ...] = ()


class Zone(NamedTuple):
    """A part of the axis across, begun by a broken line, with its name above where that has room."""

    first: float
    last: float
    label: str
    shaded: bool = False


class _Frame(NamedTuple):
    """Where the axes lie, in pixels."""

    left: float
    top: float
    right: float
    bottom: float
    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        return self.left + self.across.share(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - self.up.share(value) * (self.bottom - self.top)


def curves_picture(
    series: Sequence[Series],
    title: str,
    across: str,
    width: int = 352,
    height: int = 220,
    zones: Sequence[Zone] = (),
) -> str:
    """The chart: `title` names what goes up, `across` what goes to the right.

    `height` is without the legend, which stands below the axes so that it hides nothing; there is
    one where there are several series, at most eight. `zones` lie behind all lines.
    """
    shown = [s._replace(points=tuple(p for p in s.points if all(map(math.isfinite, p)))) for s in series]
    within = [(x, y) for s in shown for x, *ys in s.band for y in ys]
    frame = _frame([*(p for s in shown for p in s.points), *within], width, height, bool(zones))
    legend, rows = _legend([s for s in shown if len(shown) > 1], frame.left, width, height + 8)
    total = height + rows * _LINE + (6 if rows else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="bq-curves" role="img" width="{width}"'
        f' height="{total}" viewBox="0 0 {width} {total}">',
        f"<title>{escaped(title)}</title>",
        f"<desc>{escaped('; '.join(map(_told, shown)))}</desc>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{px(frame.left)}" y="12">'
        f"{escaped(shortened(title, _FONT, width - frame.left))}</text>",
        *(line for zone in zones for line in _zone(zone, frame)),
        *_axes(frame, across, height),
    ]
    parts.extend(_band(one, number, frame) for number, one in enumerate(shown) if one.band)
    for number, one in enumerate(shown):
        parts.extend(_drawn(one, number, frame))
    if not any(s.points for s in shown):
        x, y = px((frame.left + frame.right) / 2), px((frame.top + frame.bottom) / 2)
        parts.append(f'<text x="{x}" y="{y}" text-anchor="middle">nothing measured yet</text>')
    return "\n".join([*parts, *legend, "</svg>\n"])


def _frame(points: Sequence[tuple[float, float]], width: int, height: int, zones: bool) -> _Frame:
    """Beside the widest number at the left, and half of one at the right; numbers do not touch."""
    up = axis([y for _, y in points], 4, widened=True)
    beside = max(text_width(label, _SMALL) for label in up.labels) + 8
    for ticks in (6, 5, 4, 3, 2, 1):
        across = axis([x for x, _ in points], ticks, widened=False)
        widest = max((text_width(label, _SMALL) for label in across.labels), default=0.0)
        left, right = max(beside, widest / 2), width - max(6.0, widest / 2)
        if widest + 10 <= (right - left) * _step(across):
            break
    above = _ABOVE + (_LINE if zones else 0)
    return _Frame(left, above, right, height - _TICK - _LINE, across, up)


def _step(across: Axis) -> float:
    """From one tick to the next, as a share of the axis."""
    ticks = across.ticks
    return across.share(ticks[1]) - across.share(ticks[0]) if len(ticks) > 1 else 1.0


def _axes(frame: _Frame, across: str, height: int) -> Iterator[str]:
    left, right, bottom = map(px, (frame.left, frame.right, frame.bottom))
    for value, label in zip(frame.up.ticks, frame.up.labels, strict=True):
        y = px(frame.y(value))
        yield f'<line class="grid" x1="{left}" y1="{y}" x2="{right}" y2="{y}"/>'
        yield f'<text class="tick" x="{px(frame.left - 6)}" y="{y}" text-anchor="end">{label}</text>'
    yield f'<line class="axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}"/>'
    for value, label in zip(frame.across.ticks, frame.across.labels, strict=True):
        x = px(frame.x(value))
        yield f'<line class="axis" x1="{x}" y1="{bottom}" x2="{x}" y2="{px(frame.bottom + 4)}"/>'
        yield (
            f'<text class="tick" x="{x}" y="{px(frame.bottom + 16)}" text-anchor="middle">{label}</text>'
        )
    middle, room = (frame.left + frame.right) / 2, frame.right - frame.left
    yield (
        f'<text x="{px(middle)}" y="{px(height - 7)}" text-anchor="middle">'
        f"{escaped(shortened(across, _SMALL, room))}</text>"
    )


def _zone(zone: Zone, frame: _Frame) -> Iterator[str]:
    """The part of it that the axis shows."""
    left, right = (
        min(max(frame.x(value), frame.left), frame.right) for value in (zone.first, zone.last)
    )
    if left >= right:
        return
    top, height = px(frame.top), px(frame.bottom - frame.top)
    if zone.shaded:
        yield (
            f'<rect class="zone" x="{px(left)}" y="{top}" width="{px(right - left)}" height="{height}"/>'
        )
    if left > frame.left:
        yield f'<path class="border" d="M{px(left)} {px(frame.top - _LINE / 2)}V{px(frame.bottom)}"/>'
    if text_width(zone.label, _SMALL) + 4 <= right - left:
        y = px(frame.top - _LINE / 2)
        yield f'<text class="tick" x="{px(left + 4)}" y="{y}">{escaped(zone.label)}</text>'


def _drawn(series: Series, number: int, frame: _Frame) -> Iterator[str]:
    places = [(frame.x(x), frame.y(y)) for x, y in series.points]
    color = f"of-{number % _MOST}"
    if series.form == "dots" or len(places) == 1:
        size, many = (1.8, " many") if len(places) > 40 else (2.6, "")
        yield f'<g class="series" data-series="{number}">'
        yield from (
            f'<circle class="dot {color}{many}" cx="{px(x)}" cy="{px(y)}" r="{size}"/>'
            for x, y in places
        )
        yield "</g>"
    elif places:
        steps = series.form == "step"
        path = f"M{px(places[0][0])} {px(places[0][1])}"
        path += "".join(f"H{px(x)}V{px(y)}" if steps else f"L{px(x)} {px(y)}" for x, y in places[1:])
        yield f'<g class="series" data-series="{number}"><path class="line {color}" d="{path}"/></g>'


def _band(series: Series, number: int, frame: _Frame) -> str:
    """The ground between lowest and highest, below all lines."""
    up = [(x, high) for x, _, high in series.band]
    down = [(x, low) for x, low, _ in reversed(series.band)]
    path = "L".join(f"{px(frame.x(x))} {px(frame.y(y))}" for x, y in [*up, *down])
    return f'<path class="band of-{number % _MOST}" d="M{path}Z"/>'


def _legend(series: Sequence[Series], left: float, width: int, top: float) -> tuple[list[str], int]:
    """Its elements, and how many lines they take."""
    parts: list[str] = []
    x, row = left, 0
    for number, one in enumerate(series):
        label = shortened(one.label, _SMALL, width - left - _SWATCH)
        needed = _SWATCH + text_width(label, _SMALL)
        if x > left and x + needed > width:
            x, row = left, row + 1
        y, color = top + row * _LINE + 4, f"of-{number % _MOST}"
        if one.form == "dots":
            sample = f'<circle class="dot {color}" cx="{px(x + 8)}" cy="{px(y)}" r="2.6"/>'
        else:
            sample = f'<path class="line {color}" d="M{px(x)} {px(y)}h16"/>'
        parts.append(
            f'<g class="entry">{sample}<text x="{px(x + _SWATCH)}" y="{px(y)}">'
            f"{escaped(label)}</text></g>"
        )
        x += needed + _BETWEEN
    return parts, row + 1 if series else 0


def _told(series: Series) -> str:
    """For those who do not see the picture."""
    if not series.points:
        return f"{series.label}: no points"
    values = [y for _, y in series.points]
    return (
        f"{series.label}: {len(values)} points from {min(values):.4g} to {max(values):.4g},"
        f" the last one {values[-1]:.4g}"
    )
