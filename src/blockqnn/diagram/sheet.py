"""Several pictures on one sheet: in rows, with words above each."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from blockqnn.diagram.text import escaped, px, text_width

_MARGIN, _GAP = 16, 28  # around all; between pictures
_TITLE, _SMALL, _LINE = 14, 12, 17  # pixels: the title's font, that of the words; a line of them
_SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')
_STYLE = """
.bq-sheet { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }
.bq-sheet .sheet { fill: #ffffff; }
.bq-sheet > text { fill: #424a53; dominant-baseline: central; }
.bq-sheet > .heading { font-size: 14px; font-weight: bold; fill: #1f2328; }
@media screen and (prefers-color-scheme: dark) {
.bq-sheet .sheet { fill: #0d1117; }
.bq-sheet > text { fill: #b1bac4; }
.bq-sheet > .heading { fill: #e6edf3; }
}
"""


class Panel(NamedTuple):
    """A picture (SVG, as this room draws it) and what is written above it, line by line."""

    svg: str
    words: str = ""


class _Placed(NamedTuple):
    panel: Panel
    x: float
    y: float
    width: float
    bottom: float


def sheet(rows: Sequence[Sequence[Panel]], title: str, description: str) -> str:
    """All pictures on one ground, each row below the last; pictures of a row share their top."""
    placed: list[_Placed] = []
    y = _MARGIN + _TITLE + _GAP / 2
    for row in rows:
        placed += _in_a_row(row, y)
        y = max((p.bottom for p in placed), default=y) + _GAP / 2
    right = max([text_width(title, _TITLE), *(p.x + p.width - _MARGIN for p in placed)]) + _MARGIN
    width, height = px(right + _MARGIN), px(y + _MARGIN - _GAP / 2)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bq-sheet" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}">',
            f"<title>{escaped(title)}</title>",
            f"<desc>{escaped(description)}</desc>",
            f"<style>{_STYLE}</style>",
            f'<rect class="sheet" width="{width}" height="{height}"/>',
            f'<text class="heading" x="{_MARGIN}" y="{_MARGIN + _TITLE / 2:g}">{escaped(title)}</text>',
            *(line for p in placed for line in _drawn(p)),
            "</svg>\n",
        ]
    )


def _in_a_row(row: Sequence[Panel], y: float) -> Iterator[_Placed]:
    """From left to right; the pictures begin below the longest words."""
    below = max((len(panel.words.splitlines()) for panel in row), default=0)
    x, top = float(_MARGIN), y + below * _LINE + (6 if below else 0)
    for panel in row:
        size = _SIZE.search(panel.svg)
        assert size is not None, "a panel is an SVG that says its width and height"
        words = (text_width(line, _SMALL) for line in panel.words.splitlines())
        width = max(float(size[1]), *words, 0.0)
        yield _Placed(panel, x, top, width, top + float(size[2]))
        x += width + _GAP


def _drawn(placed: _Placed) -> Iterator[str]:
    lines = placed.panel.words.splitlines()
    for number, line in enumerate(lines):
        y = placed.y - 6 - (len(lines) - number - 0.5) * _LINE
        yield f'<text class="words" x="{px(placed.x)}" y="{px(y)}">{escaped(line)}</text>'
    yield placed.panel.svg.replace("<svg ", f'<svg x="{px(placed.x)}" y="{px(placed.y)}" ', 1)
