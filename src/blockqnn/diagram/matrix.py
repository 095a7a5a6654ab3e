"""A confusion matrix as SVG: how often each class was answered with each class."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import NamedTuple

from blockqnn.diagram.text import escaped, px, shortened, text_width

_FONT = 11  # pixels, as in the style sheet
_WRITTEN = 20  # classes at most with a number in each cell
_NAME = 132  # pixels of a name at most
_SIDE = 640  # pixels that many classes share
_MARGIN, _AXIS, _LEGEND = 6, 20, 34  # around all; the name of an axis; below the cells
_LEVELS = 10  # shades
_SAMPLES = (0.01, 0.1, 0.5, 1.0)  # shares shown below
_STYLE = """
.bq-matrix { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }
.bq-matrix text { fill: #1f2328; dominant-baseline: central; }
.bq-matrix .axis { fill: #59636e; }
.bq-matrix .field { fill: #f6f8fa; }
.bq-matrix .right { fill: #0969da; }
.bq-matrix .wrong { fill: #d1591b; }
.bq-matrix .count.on { fill: #ffffff; }
.bq-matrix .diagonal { fill: none; stroke: #1f2328; stroke-width: 1.2; }
.bq-matrix .diagonal.thin { stroke-width: 0.5; }
.bq-matrix .count.right { fill: #1f2328; font-weight: bold; }
.bq-matrix .count.right.on { fill: #ffffff; }
@media screen and (prefers-color-scheme: dark) {
.bq-matrix text, .bq-matrix .count.right { fill: #e6edf3; }
.bq-matrix .axis { fill: #9da7b3; }
.bq-matrix .field { fill: #161b22; }
.bq-matrix .right { fill: #58a6ff; }
.bq-matrix .wrong { fill: #f0883e; }
.bq-matrix .count.on, .bq-matrix .count.right.on { fill: #0d1117; }
.bq-matrix .diagonal { stroke: #e6edf3; }
}
"""


class _Grid(NamedTuple):
    """Where the cells lie, in pixels."""

    left: float
    top: float
    cell: float
    classes: int

    @property
    def side(self) -> float:
        return self.cell * self.classes


def confusion_picture(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """`counts[true][answered]`; a cell is the darker, the larger its share of the true class.

    Right answers lie on the framed diagonal. Up to 20 classes the counts are written into the
    cells; of many classes every second name, or fewer, is written.
    """
    count = len(classes)
    largest = max((n for row in counts for n in row), default=0)
    written = count <= _WRITTEN
    cell = max(26.0, text_width(f"{largest}", _FONT) + 8) if written else max(1.0, _SIDE / count)
    names = [shortened(name, _FONT, _NAME) for name in classes]
    widths = [text_width(name, _FONT) for name in names]
    upright = written and all(width <= cell - 4 for width in widths)
    left = _MARGIN + _AXIS + max(widths, default=0) + 6
    top = _MARGIN + _AXIS + (_FONT + 6 if upright else max(widths, default=0) + 6)
    grid = _Grid(left, top, cell, count)
    legend, needed = _legend(grid)
    width = px(max(left + grid.side, left + needed) + _MARGIN)
    height = px(top + grid.side + _LEGEND + _MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bq-matrix" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}">',
            f"<title>Confusion matrix of {count} classes</title>",
            f"<desc>{_told(counts)}</desc>",
            f"<style>{_STYLE}</style>",
            *_axes(grid),
            *_names(grid, names, upright),
            f'<rect class="field" x="{px(left)}" y="{px(top)}" width="{px(grid.side)}"'
            f' height="{px(grid.side)}"/>',
            *_cells(grid, counts),
            _diagonal(grid),
            *(_numbers(grid, counts) if written else ()),
            *legend,
            "</svg>\n",
        ]
    )


def _told(counts: Sequence[Sequence[int]]) -> str:
    right, all_of_them = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    return f"{right} of {all_of_them} images lie on the diagonal: answered with their own class"


def _axes(grid: _Grid) -> Iterator[str]:
    """Names of the axes, at the beginning of each, where the page may not have to be scrolled."""
    x, y = _MARGIN + _FONT / 2, grid.top + min(grid.side, text_width("true class", _FONT))
    yield (
        f'<text class="axis" x="{px(x)}" y="{px(y)}"'
        f' transform="rotate(-90 {px(x)} {px(y)})">true class</text>'
    )
    yield (f'<text class="axis" x="{px(grid.left)}" y="{px(_MARGIN + _FONT / 2)}">answered class</text>')


def _names(grid: _Grid, names: Sequence[str], upright: bool) -> Iterator[str]:
    """Beside the rows and above the columns, as many as have room for a line each."""
    step = max(1, -(-(_FONT + 2) // max(1, int(grid.cell))))
    for i in range(0, grid.classes, step):
        name, middle = escaped(names[i]), (i + 0.5) * grid.cell
        y = px(grid.top + middle)
        yield (f'<text class="name" x="{px(grid.left - 6)}" y="{y}" text-anchor="end">{name}</text>')
        x, y = px(grid.left + middle), px(grid.top - 6)
        if upright:
            y = px(grid.top - 5 - _FONT / 2)
            yield f'<text class="name" x="{x}" y="{y}" text-anchor="middle">{name}</text>'
        else:
            yield f'<text class="name" x="{x}" y="{y}" transform="rotate(-90 {x} {y})">{name}</text>'


def _share(row: Sequence[int], count: int) -> float:
    return count / max(1, sum(row))


def _opacity(share: float) -> float:
    """The root lets a rare confusion be seen."""
    return max(1, round(sqrt(share) * _LEVELS)) / _LEVELS


def _cells(grid: _Grid, counts: Sequence[Sequence[int]]) -> Iterator[str]:
    """One path for all cells of a shade, so that hundreds of classes make a small file."""
    gap = 1.0 if grid.cell >= 8 else 0.0
    side = px(grid.cell - gap)
    paths: dict[tuple[str, float], list[str]] = {}
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                x, y = grid.left + j * grid.cell + gap / 2, grid.top + i * grid.cell + gap / 2
                shade = ("right" if i == j else "wrong", _opacity(_share(row, count)))
                paths.setdefault(shade, []).append(f"M{px(x)} {px(y)}h{side}v{side}h-{side}z")
    for (kind, opacity), parts in sorted(paths.items()):
        yield f'<path class="cells {kind}" fill-opacity="{opacity:g}" d="{"".join(parts)}"/>'


def _diagonal(grid: _Grid) -> str:
    """A frame around each right answer, in small cells only along both sides of the diagonal."""
    thin = " thin" if grid.cell < 8 else ""
    parts = []
    for i in range(grid.classes):
        x, y, side = grid.left + i * grid.cell, grid.top + i * grid.cell, px(grid.cell)
        parts.append(f"M{px(x)} {px(y)}h{side}v{side}h-{side}z")
    return f'<path class="diagonal{thin}" d="{"".join(parts)}"/>'


def _numbers(grid: _Grid, counts: Sequence[Sequence[int]]) -> Iterator[str]:
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                x, y = grid.left + (j + 0.5) * grid.cell, grid.top + (i + 0.5) * grid.cell
                kind = " right" if i == j else ""
                dark = " on" if _opacity(_share(row, count)) > 0.65 else ""
                yield (
                    f'<text class="count{kind}{dark}" x="{px(x)}" y="{px(y)}"'
                    f' text-anchor="middle">{count}</text>'
                )


def _legend(grid: _Grid) -> tuple[list[str], float]:
    """Samples of the shades in both colours, below the cells; and how wide they are."""
    x, y = grid.left, grid.top + grid.side + _LEGEND / 2 + 2
    parts = []
    for share in _SAMPLES:
        for kind in ("right", "wrong"):
            parts.append(
                f'<rect class="sample {kind}" fill-opacity="{_opacity(share):g}" x="{px(x)}"'
                f' y="{px(y - 6)}" width="12" height="12"/>'
            )
            x += 12
        label = f"{share:.0%}"
        parts.append(f'<text class="axis" x="{px(x + 4)}" y="{px(y)}">{label}</text>')
        x += 4 + text_width(label, _FONT) + 10
    note = "of the class"
    parts.append(f'<text class="axis" x="{px(x - 4)}" y="{px(y)}">{note}</text>')
    return parts, x - 4 + text_width(note, _FONT) - grid.left
