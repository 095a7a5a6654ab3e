"""What failed, and why, in words."""

from blockqnn.pages.markup import Column, Group, Line, paragraph, section, table
from blockqnn.report.failed import failed
from blockqnn.report.rows import RunView

_DETAIL = 160  # characters


def failures(run: RunView) -> str:
    """One row a kind."""
    kinds = failed(run.fold)
    if not kinds:
        return section("failures", "Failures", [paragraph("No candidate failed.")])
    columns = [
        Column("kind", "text"),
        Column("candidates"),
        Column("what it means", "text"),
        Column("for example", "text"),
    ]
    lines = [
        Line(
            (
                one.kind.replace("_", " "),
                f"{one.candidates:,}",
                one.words,
                f"trial {one.example}: {one.detail}"[:_DETAIL] if one.detail else f"trial {one.example}",
            )
        )
        for one in kinds
    ]
    told = "A failure has a reward below that of any network that learned, and is not trained again."
    return section("failures", "Failures", [paragraph(told), table(columns, [Group("", tuple(lines))])])
