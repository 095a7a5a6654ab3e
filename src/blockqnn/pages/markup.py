"""Pieces of HTML: all text is escaped here, and the result is well-formed XML too."""

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Literal, NamedTuple

from blockqnn.diagram.text import escaped


class Column(NamedTuple):
    """`number` is flush right; a `code` is long and may be wrapped."""

    heading: str
    kind: Literal["number", "text", "code"] = "number"


class Bar(NamedTuple):
    """A cell with a bar whose whole length is 1."""

    share: float


class Sized(NamedTuple):
    """A number as people read it, such as 1.2M, and by which its column is sorted."""

    text: str
    value: float


class BlockCode(NamedTuple):
    """A block's code, to be copied."""

    text: str


class Link(NamedTuple):
    """To another page."""

    text: str
    href: str


Cell = str | Bar | Sized | BlockCode | Link


class Line(NamedTuple):
    """A row of a table; the marked one is that which the text speaks of."""

    cells: tuple[Cell, ...]
    marked: bool = False


class Group(NamedTuple):
    """Rows under a heading of their own."""

    heading: str
    lines: tuple[Line, ...]


def table(columns: Sequence[Column], groups: Iterable[Group], *, sortable: bool = False) -> str:
    """In a box that is scrolled where the screen is narrow.

    A group without a heading has none, and a column in which nothing stands is left out. A sortable
    one is sorted by its headings where the page's script runs.
    """
    groups = list(groups)
    lines = [line for group in groups for line in group.lines]
    used = [bool(c.heading) or any(x.cells[i] for x in lines) for i, c in enumerate(columns)]
    columns = list(compress(columns, used))
    head = "".join(f"<th{_kind(c)}>{escaped(c.heading)}</th>" for c in columns)
    # a box that is scrolled is reached by the keyboard
    opened = '<div class="wide tall" tabindex="0"><table class="sortable">'
    parts = [opened if sortable else '<div class="wide"><table>', f"<thead><tr>{head}</tr></thead>"]
    for group in groups:
        parts.append("<tbody>")
        if group.heading:
            parts.append(
                f'<tr class="group"><th colspan="{len(columns)}">{escaped(group.heading)}</th></tr>'
            )
        for line in group.lines:
            cells = "".join(
                f"<td{_kind(c)}{_value(cell)}>{_cell(cell)}</td>"
                for c, cell in zip(columns, compress(line.cells, used), strict=True)
            )
            parts.append(f"<tr{_class('marked' if line.marked else '')}>{cells}</tr>")
        parts.append("</tbody>")
    return "\n".join([*parts, "</table></div>"])


def paragraph(text: str, kind: str = "") -> str:
    return f"<p{_class(kind)}>{escaped(text)}</p>"


def listed(texts: Iterable[str], kind: str = "") -> str:
    items = "".join(f"<li>{escaped(text)}</li>" for text in texts)
    return f"<ul{_class(kind)}>{items}</ul>"


def fact(value: str, name: str, note: str) -> str:
    """A number that matters, with its name and a note below."""
    return f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd><dd>{escaped(note)}</dd></div>"


def facts(all_of_them: Iterable[str]) -> str:
    """Several of them in a row; the first is the result."""
    return f'<dl class="facts">{"".join(all_of_them)}</dl>'


def code(text: str) -> str:
    """Lines to be copied; each line break of the text is one."""
    lines = "\n".join(map(escaped, text.split("\n")))
    return f"<pre><code>{lines}</code></pre>"


def pictures(drawn: Iterable[tuple[str, str]]) -> str:
    """Pictures side by side where there is room, each with its caption in words."""
    figures = (
        f'<figure><div class="wide">{svg}</div>'
        f"{f'<figcaption>{escaped(caption)}</figcaption>' if caption else ''}</figure>"
        for svg, caption in drawn
    )
    return f'<div class="pictures">{"".join(figures)}</div>'


def folded(summary: str, content: str) -> str:
    """Shown when it is asked for."""
    return f"<details><summary>{escaped(summary)}</summary>{content}</details>"


def section(name: str, heading: str, parts: Iterable[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return f'<section id="{name}">\n<h2>{escaped(heading)}</h2>\n{body}\n</section>'


def _kind(column: Column) -> str:
    return _class(column.kind)


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _value(cell: Cell) -> str:
    return f' data-value="{cell.value:g}"' if isinstance(cell, Sized) else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, Bar):
        width = 100 * min(1.0, max(0.0, cell.share))
        return f'<span class="bar" style="width:{width:.1f}%"></span>'
    if isinstance(cell, BlockCode):
        return f'<code class="block">{escaped(cell.text)}</code>'
    if isinstance(cell, Link):
        return f'<a href="{escaped(cell.href)}">{escaped(cell.text)}</a>'
    return escaped(cell.text if isinstance(cell, Sized) else cell)
