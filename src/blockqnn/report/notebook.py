"""A run as a notebook shows it: its best blocks as a table, the best one drawn."""

from html import escape

from blockqnn.diagram.svg import picture
from blockqnn.report.rows import RunView
from blockqnn.space.code import figure

_SHOWN = 5
_HEADINGS = ("trial", "accuracy", "reward", "parameters", "FLOPs", "code")


def html(view: RunView) -> str:
    """HTML without scripts or links."""
    name, entries = escape(str(view.directory)), view.entries()[:_SHOWN]
    if not entries:
        return f"<p>run {name}: no evaluated trial yet</p>"
    rows = [
        (str(e.trial), f"{e.accuracy:.2f} %", f"{e.reward:.2f}", f"{e.params:,}", f"{e.flops:,}", e.code)
        for e in entries
    ]
    best = picture(figure(view.facts.block(entries[0].code)))
    return "\n".join(
        [
            "<table>",
            f"<caption>run {name}</caption>",
            _row("th", _HEADINGS),
            *(_row("td", row) for row in rows),
            "</table>",
            best,
        ]
    )


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
