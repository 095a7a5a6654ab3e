"""How the best blocks are built, against random blocks of equal length (section 5.1)."""

from collections.abc import Sequence

from blockqnn.diagram.intervals import Asked, Interval, intervals_picture
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.diagram.svg import picture
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.words import aligned, names
from blockqnn.report.rows import RunView
from blockqnn.report.structures import Share, Structures, structures
from blockqnn.space.code import figure

_DRAWN = 3


def draw(views: Sequence[RunView]) -> Drawn:
    """Of one run."""
    (view,) = views
    found = structures(view)
    asked = [Asked(f.name, (_interval(f.best), _interval(f.random))) for f in found.features]
    groups = (f"best {len(found.best)} of {found.evaluated}", f"{found.random} random blocks")
    title = "blocks that have it (%), with 95 % intervals for all together"
    chart = Panel(intervals_picture(asked, groups, title, "share of the blocks (%)"))
    best = [
        Panel(picture(figure(block)), f"number {rank} by reward")
        for rank, block in enumerate(found.best[:_DRAWN], 1)
    ]
    lines = lines_of(found)
    heading = f"Structure of the best blocks of {names(views)[0]}"
    return Drawn(sheet([[chart], best], heading, "; ".join(lines)), tuple(lines))


def lines_of(found: Structures) -> list[str]:
    """The shares, their differences and how they were found, as lines of text."""
    table = [("", f"best {len(found.best)}", f"random {found.random}", "difference, points", "")]
    for f in found.features:
        table.append(
            (
                f.name,
                _told(f.best),
                _told(f.random),
                f"{100 * f.difference:+.1f} [{100 * f.low:+.1f}, {100 * f.high:+.1f}]",
                "differs" if f.differs else "not told apart",
            )
        )
    limits = "within the run's limits" if found.limited else "without the run's limits"
    return [
        *aligned(table),
        f"the best 5 % of {found.evaluated} evaluated blocks by reward; random walks in the same space,"
        f" {limits}, with as many layers; all simplified",
        "intervals hold together with 95 %: Wilson's, of a difference Newcombe's, at an error of 5 % /"
        f" {len(found.features)} (Bonferroni), as if the blocks of a run did not resemble one another",
    ]


def _told(share: Share) -> str:
    return f"{100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def _interval(share: Share) -> Interval:
    return Interval(100 * share.low, 100 * share.value, 100 * share.high)
