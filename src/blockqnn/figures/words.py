"""Rows as lines of text, and how runs are called."""

from collections.abc import Sequence

from blockqnn.report.rows import RunView


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line a row; a column of which every cell but the first is a number is flush right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def _is_number(cell: str) -> bool:
    return not cell.strip("+-.,%0123456789 M")


def names(views: Sequence[RunView]) -> list[str]:
    """Of each run its directory's name, with the parents that tell it from the others."""
    paths = [view.directory.resolve() for view in views]
    for length in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        short = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(short)) == len(set(paths)):
            break
    return short if paths else []


def called(text: str) -> str:
    """A run, RUN:TRIAL or name as a heading has room for it; a code is one."""
    return "a code" if text.lstrip()[:1] in ("(", "[") else text.rstrip("/").rpartition("/")[2]


def number(value: float | None, form: str) -> str:
    """The value as asked, or a dash."""
    return "-" if value is None else format(value, form)
