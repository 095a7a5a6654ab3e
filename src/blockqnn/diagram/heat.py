"""A heat map as SVG: a number for each row and column, the darker the higher.

The lowest tenth of the numbers is one shade, so that one far below does not make all others equal.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from blockqnn.diagram.text import escaped, px, text_width

_FONT, _TITLE = 11, 12  # pixels, as in the style sheet
_ROW, _ABOVE, _BELOW = 22, 44, 40  # height of a row; title and columns' names; axis and legend
_SAMPLES = 5  # shades of the legend
_DARK = 0.6  # opacity above which numbers are written in the colour of the ground
_STYLE = """
.bq-heat { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }
.bq-heat text { fill: #59636e; dominant-baseline: central; }
.bq-heat .title { font-size: 12px; fill: #1f2328; }
.bq-heat .field { fill: #f3f4f6; }
.bq-heat .cell { fill: #1f6feb; }
.bq-heat .number { fill: #1f2328; }
.bq-heat .number.on { fill: #ffffff; }
.bq-heat .mark { fill: none; stroke: #bc4c00; stroke-width: 2; }
@media screen and (prefers-color-scheme: dark) {
.bq-heat text { fill: #9da7b3; }
.bq-heat .title, .bq-heat .number { fill: #e6edf3; }
.bq-heat .field { fill: #161b22; }
.bq-heat .cell { fill: #58a6ff; }
.bq-heat .number.on { fill: #0d1117; }
.bq-heat .mark { stroke: #f0883e; }
}
"""


class Heat(NamedTuple):
    """`values` by row and column; None is a cell without a number. `marked` cells are framed."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    marked: Collection[tuple[int, int]] = ()


class _Scale(NamedTuple):
    low: float
    high: float
    cut: bool  # whether there are numbers below

    def opacity(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 1.0
        return round(0.08 + 0.87 * max(0.0, share), 2)


def _scale(numbers: Sequence[float]) -> _Scale:
    ordered = sorted(numbers) or [0.0]
    low = ordered[len(ordered) // 10]
    return _Scale(low, ordered[-1], cut=ordered[0] < low)


def heat_picture(heat: Heat, title: str, across: str, written: Callable[[float], str]) -> str:
    """The map with its numbers, `written` as asked; `across` names the columns."""
    numbers = [v for row in heat.values for v in row if v is not None]
    scale = _scale(numbers)
    labels = [*heat.columns, *(written(v) for v in numbers)]
    cell = max([24.0, *(text_width(label, _FONT) + 10 for label in labels)])
    left = max(text_width(name, _FONT) for name in (*heat.rows, across)) + 8
    grid = left + cell * len(heat.columns)
    width = px(max(grid, text_width(title, _TITLE), left + _legend_width(scale, written)) + 4)
    height = px(_ABOVE + _ROW * len(heat.rows) + _BELOW)
    told = f"{len(numbers)} values from {written(min(numbers, default=0))} to {written(scale.high)}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bq-heat" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}">',
            f"<title>{escaped(title)}</title>",
            f"<desc>{escaped(told)}</desc>",
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="0" y="9">{escaped(title)}</text>',
            *_names(heat, left, cell, across),
            *_cells(heat, left, cell, scale, written),
            *_legend(left, _ABOVE + _ROW * len(heat.rows) + _BELOW - 12, scale, written),
            "</svg>\n",
        ]
    )


def _names(heat: Heat, left: float, cell: float, across: str) -> Iterator[str]:
    for i, name in enumerate(heat.rows):
        y = px(_ABOVE + (i + 0.5) * _ROW)
        yield f'<text class="name" x="{px(left - 6)}" y="{y}" text-anchor="end">{escaped(name)}</text>'
    for j, name in enumerate(heat.columns):
        x = px(left + (j + 0.5) * cell)
        yield f'<text class="name" x="{x}" y="{_ABOVE - 8}" text-anchor="middle">{escaped(name)}</text>'
    place = f'x="{px(left - 6)}" y="{_ABOVE - 8}"'
    yield f'<text class="name" {place} text-anchor="end">{escaped(across)}</text>'


def _cells(
    heat: Heat, left: float, cell: float, scale: _Scale, written: Callable[[float], str]
) -> Iterator[str]:
    box = f'width="{px(cell - 2)}" height="{_ROW - 2}" rx="3"'
    for i, row in enumerate(heat.values):
        for j, value in enumerate(row):
            x, y = left + j * cell + 1, _ABOVE + i * _ROW + 1
            place = f'x="{px(x)}" y="{px(y)}" {box}'
            yield f'<rect class="field" {place}/>'
            if value is not None:
                opacity = scale.opacity(value)
                on = " on" if opacity > _DARK else ""
                yield f'<rect class="cell" fill-opacity="{opacity:g}" {place}/>'
                yield (
                    f'<text class="number{on}" x="{px(left + (j + 0.5) * cell)}"'
                    f' y="{px(y + _ROW / 2 - 1)}" text-anchor="middle">{escaped(written(value))}</text>'
                )
            if (i, j) in heat.marked:
                yield f'<rect class="mark" {place}/>'


def _legend_width(scale: _Scale, written: Callable[[float], str]) -> float:
    ends = text_width(_lowest(scale, written) + written(scale.high), _FONT)
    return ends + _SAMPLES * 18 + 16


def _lowest(scale: _Scale, written: Callable[[float], str]) -> str:
    return written(scale.low) + (" or less" if scale.cut else "")


def _legend(x: float, y: float, scale: _Scale, written: Callable[[float], str]) -> Iterator[str]:
    """The lowest number, shades, the highest."""
    low, high = _lowest(scale, written), written(scale.high)
    yield f'<text class="name" x="{px(x)}" y="{px(y)}">{escaped(low)}</text>'
    x += text_width(low, _FONT) + 8
    for i in range(_SAMPLES):
        value = scale.low + (scale.high - scale.low) * i / (_SAMPLES - 1)
        yield (
            f'<rect class="cell" fill-opacity="{scale.opacity(value):g}" x="{px(x)}" y="{px(y - 6)}"'
            ' width="18" height="12"/>'
        )
        x += 18
    yield f'<text class="name" x="{px(x + 8)}" y="{px(y)}">{escaped(high)}</text>'
