"""The best blocks of a run: drawn, and as a table to be sorted, with codes to copy."""

from functools import lru_cache

from blockqnn.diagram.svg import picture
from blockqnn.pages.markup import (
    BlockCode,
    Column,
    Group,
    Line,
    Sized,
    paragraph,
    pictures,
    section,
    table,
)
from blockqnn.pages.sections.wording import percent
from blockqnn.report.histogram import short
from blockqnn.report.rows import Entry, RunView
from blockqnn.space.code import Block, figure

_DRAWN, _LISTED = 3, 100


def best(run: RunView) -> str:
    entries = run.entries()
    if not entries:
        return section("best", "The best blocks", [paragraph("No network was measured yet.")])
    corrected = ", corrected by cost" if run.facts.settings.reward.corrects else ""
    drawn = [
        (
            _picture(run.facts.block(e.code)),
            f"Trial {e.trial}: {percent(e.accuracy, 2)}, reward {e.reward:.2f}, {e.params:,} parameters,"
            f" {short(e.flops)} FLOPs",
        )
        for e in entries[:_DRAWN]
    ]
    some = f"the {_LISTED} best of {len(entries):,}" if len(entries) > _LISTED else "all of them"
    told = (
        f"By reward, which is the accuracy of a brief training{corrected}; {some}."
        " Train one fully with blockqnn train RUN:TRIAL."
    )
    return section("best", "The best blocks", [paragraph(told), pictures(drawn), _table(run, entries)])


@lru_cache(maxsize=64)  # the live page shows the same ones again and again
def _picture(block: Block) -> str:
    return picture(figure(block))


def _table(run: RunView, entries: list[Entry]) -> str:
    timed = any(entry.latency for entry in entries)
    columns = [
        *map(Column, ("trial", run.metric, "reward", "parameters", "FLOPs")),
        Column("ms" if timed else ""),
        Column("code", "code"),
    ]
    lines = [
        Line(
            (
                str(e.trial),
                percent(e.accuracy, 2),
                f"{e.reward:.2f}",
                f"{e.params:,}",
                Sized(short(e.flops), e.flops),
                f"{e.latency.milliseconds:.2f}" if e.latency else "",
                BlockCode(e.code),
            )
        )
        for e in entries[:_LISTED]
    ]
    return table(columns, [Group("", tuple(lines))], sortable=True)
