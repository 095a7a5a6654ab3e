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
_MOST = 8  # blocks of the search, half of it for a shorter one
_SIZES = ((1, 1), (2, 1), (1, 2))  # (times the filters, blocks a stage)
_LARGE = ((2, 2), (4, 1))


def select(session: Session, races: Races, skeleton: Skeleton, recipe: Recipe, limits: Limits) -> None:
    """First each block in the skeleton of the known networks; then the two best also wider and deeper.

    The second round takes twice as long for each network.
    """
    blocks = {name: str(ZOO[name]) for name in KNOWN}
    many = session.journal.budget >= _LONG
    sizes = _SIZES + (_LARGE if many else ())
    found = runs.read(session.directory / "run").entries()
    # in jobs of the first round, of which each of the second takes two
    ends = session.journal.ends
    planned = ends["selection"] - ends["search"]  # not what is left: a later session must find the same
    room = planned * races.workers / _shortest(session) - 4 * len(sizes)
    most = max(1, min(_MOST if many else _MOST // 2, int(room) - len(blocks)))
    blocks |= {f"trial {entry.trial}": entry.code for entry in found[:most]}
    first = [Entry(name, code, skeleton, recipe) for name, code in blocks.items()]
    share = len(first) / (len(first) + 4 * len(sizes))
    trained = races.round("selection", 0, first, max(2.0, share * session.until("selection")))
    ranked = sorted(
        (row for row in trained if row.accuracy is not None), key=lambda row: -(row.accuracy or 0.0)
    )
    second = []
    for row in ranked[:2]:
        second += _sized(row, sizes, session, limits)
    if second:
        races.round("selection", 1, second, max(2.0, session.until("selection")))


def winner(session: Session) -> Row:
    """The network of highest validation accuracy in the last round, else of all before.

    Raises RuntimeError where nothing learned.
    """
    found = best_of(session.rows("selection", 1)) or best_of(session.journal.rows)
    if found is None:
        raise RuntimeError("no network learned anything from these images; there is no model")
    return found


def _shortest(session: Session) -> float:
    """Seconds of a job that tells something: as long as the first look's of the same networks."""
    first = [row.seconds for row in session.rows("baselines") if row.code is not None]
    return max(2.0, *first)


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
