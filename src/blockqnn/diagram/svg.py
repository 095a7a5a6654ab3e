"""A figure as SVG: one file for light and dark pages, without scripts, links or fonts of its own."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from blockqnn.diagram.columns import columns
from blockqnn.diagram.figure import Box, Figure
from blockqnn.diagram.rows import Rows, arranged
from blockqnn.diagram.text import escaped, px, text_width

_FONT, _SMALL = 13, 10  # pixels, as in the style sheet
_HEIGHT = 30  # of a box
_PADDING, _NUMBER_GAP = 12, 7  # beside the text; between number and label
_BESIDE, _BETWEEN, _MARGIN = 22, 34, 20  # gaps: in a row, between rows, around all
_PORT, _INSET = 14, 10  # between the tips of arrows; from them to the side of the box
_NEARLY = 8  # so far off the middle an arrow rather ends than that it bends
_STYLE = """
.bq { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }
.bq .paper { fill: #ffffff; }
.bq .box { stroke-width: 1.2; }
.bq text { fill: #1f2328; dominant-baseline: central; }
.bq .number { font-size: 10px; fill: #59636e; }
.bq .line { fill: none; stroke: #818b98; stroke-width: 1.4; }
.bq .tip { fill: #818b98; }
.bq .dashed { stroke-dasharray: 5 4; }
.bq .conv { fill: #dbeafe; stroke: #4f83d6; }
.bq .pool { fill: #d9f5e3; stroke: #3f9c65; }
.bq .add { fill: #fdf0c4; stroke: #c2932a; }
.bq .concat { fill: #eae4fd; stroke: #8a70d2; }
.bq .identity { fill: #f0f2f4; stroke: #8c959f; }
.bq .own { fill: #fde3ef; stroke: #c8649a; }
.bq .end { fill: #ffffff; stroke: #59636e; }
@media (prefers-color-scheme: dark) {
.bq .paper, .bq .end { fill: #0d1117; }
.bq text { fill: #e6edf3; }
.bq .number { fill: #9da7b3; }
.bq .line { stroke: #7d8793; }
.bq .tip { fill: #7d8793; }
.bq .conv { fill: #17305a; }
.bq .pool { fill: #143a26; }
.bq .add { fill: #40330f; }
.bq .concat { fill: #2e2558; }
.bq .identity { fill: #242a32; }
.bq .own { fill: #451f38; }
.bq .end { stroke: #9da7b3; }
}
"""


class _Place(NamedTuple):
    x: float  # middle
    y: float  # top
    width: float

    @property
    def bottom(self) -> float:
        return self.y + _HEIGHT


def picture(figure: Figure) -> str:
    """The picture: boxes in rows, arrows as curves that run beside the boxes."""
    rows = arranged(len(figure.boxes), figure.arrows)
    places = _places(figure, rows)
    width = px(max(p.x + p.width / 2 for p in places.values()) + _MARGIN)
    height = px(max(p.bottom for p in places.values()) + _MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bq" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}">',
            f"<title>{escaped(figure.title)}</title>",
            f"<desc>{escaped(figure.description)}</desc>",
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" width="{width}" height="{height}" rx="8"/>',
            *_arrows(figure, rows, places),
            *(line for i, box in enumerate(figure.boxes) for line in _box(i, box, places[i])),
            "</svg>\n",
        ]
    )


def _places(figure: Figure, rows: Rows) -> dict[int, _Place]:
    """Of each point; rows are further apart where a line goes far aside, so that none lies flat."""
    widths = [0.0] * len(rows.above)  # of bends
    for i, box in enumerate(figure.boxes):
        widths[i] = _width(box, len(rows.above[i]))
    xs = columns(rows, widths, _BESIDE)
    places, y = {}, float(_MARGIN)
    for row in rows.order:
        places.update({p: _Place(xs[p] + _MARGIN, y, widths[p]) for p in row})
        steps = [abs(xs[p] - xs[q]) for p in row for q in rows.below[p]]
        y += _HEIGHT + _BETWEEN + min(60.0, 0.08 * max(steps, default=0.0))
    return places


def _arrows(figure: Figure, rows: Rows, places: Mapping[int, _Place]) -> Iterator[str]:
    tips = {
        (upper, i): x
        for i in range(len(figure.boxes))
        for upper, x in _tips(rows.above[i], places, places[i])
    }
    whole = _longest(rows.routes)
    for arrow, route in zip(figure.arrows, rows.routes, strict=True):
        shown = route if route in whole else route[-2:]
        x, head = tips[route[-2], route[-1]], places[route[-1]]
        yield f'<g class="arrow" data-from="{arrow.tail}" data-to="{arrow.head}">'
        yield (
            f'<path class="line{" dashed" if arrow.dashed else ""}"'
            f' d="{_curve([places[p] for p in shown], x)}"/>'
        )
        yield f'<path class="tip" d="M{px(x)} {px(head.y)}l-4 -7h8z"/>'
        yield "</g>"


def _longest(routes: Sequence[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Of each tail the route that draws the trunk; the others branch off at their last bend."""
    longest: dict[int, tuple[int, ...]] = {}
    for route in routes:
        longest[route[0]] = max(longest.get(route[0], ()), route, key=len)
    return set(longest.values())


def _width(box: Box, arrows: int) -> float:
    """Room for the text, and for the tips of the arrows."""
    number = "" if box.number is None else str(box.number)
    text = text_width(box.label, _FONT) + bool(number) * (text_width(number, _SMALL) + _NUMBER_GAP)
    return max(text + 2 * _PADDING, _PORT * (arrows + 1), 48)


def _tips(
    upper: Sequence[int], places: Mapping[int, _Place], box: _Place
) -> Iterator[tuple[int, float]]:
    """Where on the upper side of a box each line ends: straight below its beginning where it can."""
    reach = box.width / 2 - _INSET if len(upper) > 1 else _NEARLY
    first, last = box.x - reach, box.x + reach
    if len(upper) == 1 and abs(places[upper[0]].x - box.x) > _NEARLY:
        first = last = box.x
    x = first - _PORT
    for left, point in enumerate(sorted(upper, key=lambda p: places[p].x)):
        room = last - (len(upper) - 1 - left) * _PORT  # for those that are still to come
        x = min(max(places[point].x, x + _PORT, first), room)
        yield point, x


def _curve(route: Sequence[_Place], tip: float) -> str:
    """Down the route: straight through its rows, bent between them; to just inside the tip."""
    parts = [f"M{px(route[0].x)} {px(route[0].bottom)}"]
    for upper, lower in pairwise(route):
        last = lower is route[-1]
        x, y = (tip, lower.y - 4) if last else (lower.x, lower.y)
        middle = (upper.bottom + y) / 2
        if x != upper.x:
            parts.append(f"C{px(upper.x)} {px(middle)} {px(x)} {px(middle)} {px(x)} {px(y)}")
        parts.append(f"V{px(y if last else lower.bottom)}")
    return "".join(parts)


def _box(index: int, box: Box, place: _Place) -> list[str]:
    left, middle = place.x - place.width / 2, place.y + _HEIGHT / 2
    number = "" if box.number is None else str(box.number)
    shift = (text_width(number, _SMALL) + _NUMBER_GAP) / 2 if number else 0
    start = place.x - text_width(box.label, _FONT) / 2 - shift
    texts = [
        f'<text class="label" x="{px(place.x + shift)}" y="{px(middle)}" text-anchor="middle">'
        f"{escaped(box.label)}</text>"
    ]
    if number:
        texts.insert(0, f'<text class="number" x="{px(start)}" y="{px(middle + 0.5)}">{number}</text>')
    return [
        f'<g class="node" data-box="{index}">',
        f'<rect class="box {box.kind}" x="{px(left)}" y="{px(place.y)}" width="{px(place.width)}"'
        f' height="{_HEIGHT}" rx="{15 if box.kind == "end" else 6}"/>',
        *texts,
        "</g>",
    ]
