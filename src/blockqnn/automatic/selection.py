"""Which network is trained at last: the best blocks found and the known ones, in two rounds."""

from collections.abc import Sequence
from dataclasses import replace

from blockqnn.automatic.baselines import KNOWN
from blockqnn.automatic.journal import Row
from blockqnn.automatic.race import Entry, Races, best_of
from blockqnn.automatic.session import Session
from blockqnn.config import Recipe
from blockqnn.network.plan import Limits, OverLimit, Skeleton, plan_network
from blockqnn.report import rows as runs
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

_LONG = 3600.0  # seconds of a budget from which more is compared
_SIZES = ((1, 1), (2, 1), (1, 2))  # (times the filters, blocks a stage)
_LARGE = ((2, 2), (4, 1))


def select(session: Session, races: Races, skeleton: Skeleton, recipe: Recipe, limits: Limits) -> Row:
    """The network of highest validation accuracy in the last round.

    First each block in the skeleton of the known networks; then the two best blocks also wider and
    deeper, twice as long. Raises RuntimeError where nothing learned.
    """
    journal = session.journal
    many = journal.budget >= _LONG
    blocks = {name: str(ZOO[name]) for name in KNOWN}
    found = runs.read(session.directory / "run").entries()[: 8 if many else 4]
    blocks |= {
        f"trial {entry.trial}": entry.code for entry in found if entry.code not in blocks.values()
    }
    first = [Entry(name, code, skeleton, recipe) for name, code in blocks.items()]
    sizes = _SIZES + (_LARGE if many else ())
    unit = session.until("selection") / (len(first) + 4 * len(sizes))
    trained = races.round("selection", 0, first, max(2.0, unit * len(first)))
    ranked = sorted(
        (row for row in trained if row.accuracy is not None), key=lambda row: -(row.accuracy or 0.0)
    )
    second = []
    for row in ranked[:2]:
        second += _sized(row, sizes, session, limits)
    # the round before took what it took: a single network may be slow to measure
    left = max(2.0, session.until("selection"))
    winner = best_of(races.round("selection", 1, second, left)) if second else None
    winner = winner or best_of(session.journal.rows)
    if winner is None:
        raise RuntimeError("no network learned anything; the directory holds no model")
    return winner


def _sized(row: Row, sizes: Sequence[tuple[int, int]], session: Session, limits: Limits) -> list[Entry]:
    """The row's block, wider and deeper, as far as the limits admit."""
    data, entries = session.journal.data, []
    assert row.code is not None
    for wide, deep in sizes:
        widths = tuple(wide * width for width in row.skeleton.widths)
        skeleton = replace(row.skeleton, widths=widths).with_repeats((deep,))
        try:
            plan_network(parse(row.code), skeleton, data.image, len(data.classes), limits)
        except OverLimit:
            continue
        words = "/".join(map(str, widths)) + (f", {deep} blocks a stage" if deep > 1 else "")
        entries.append(Entry(row.name, row.code, skeleton, row.recipe, f"filters {words}"))
    return entries
