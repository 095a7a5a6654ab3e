"""A table of words as SVG."""

from collections.abc import Iterator, Sequence

from blockqnn.diagram.text import escaped, px, text_width

_FONT, _LINE, _GAP = 12, 20, 22  # pixels: the text, as in the style sheet; a row; between columns
_STYLE = """
.bq-cells { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Courier New", monospace; }
.bq-cells text { fill: #1f2328; dominant-baseline: central; }
.bq-cells .head { fill: #59636e; }
.bq-cells .rule { stroke: #d0d7de; stroke-width: 1; }
@media screen and (prefers-color-scheme: dark) {
.bq-cells text { fill: #e6edf3; }
.bq-cells .head { fill: #9da7b3; }
.bq-cells .rule { stroke: #30363d; }
}
"""


def cells_picture(heads: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> str:
    """Rows of as many cells as there are heads; a column of numbers is flush right."""
    columns = list(zip(heads, *rows, strict=True))
    widths = [max(text_width(cell, _FONT) for cell in column) for column in columns]
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    starts = [sum(widths[:i]) + i * _GAP for i in range(len(widths))]
    width, height = px(starts[-1] + widths[-1] + 4), px((len(rows) + 1) * _LINE + 8)
    told = "; ".join(", ".join(f"{h} {c}" for h, c in zip(heads, row, strict=True) if c) for row in rows)

    def line(cells: Sequence[str], y: float, kind: str) -> Iterator[str]:
        for cell, start, room, flush in zip(cells, starts, widths, right, strict=True):
            anchor = ' text-anchor="end"' if flush else ""
            x = start + room if flush else start
            if cell:
                yield f'<text class="{kind}" x="{px(x)}" y="{px(y)}"{anchor}>{escaped(cell)}</text>'

    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bq-cells" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}">',
            f"<title>{escaped(title)}</title>",
            f"<desc>{escaped(told)}</desc>",
            f"<style>{_STYLE}</style>",
            *line(heads, _LINE / 2, "head"),
            f'<path class="rule" d="M0 {_LINE + 2}H{width}"/>',
            *(part for i, row in enumerate(rows) for part in line(row, (i + 1.5) * _LINE + 6, "cell")),
            "</svg>\n",
        ]
    )


def _is_number(text: str) -> bool:
    return text.strip("+-").replace(".", "").replace(",", "").isdigit() or text in ("", "-")
