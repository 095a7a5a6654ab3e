"""Which network is trained at last: the best blocks found and the known ones, in two rounds."""

import math
from collections.abc import Sequence
from dataclasses import replace

from blockqnn.automatic.baselines import KNOWN, epoch_seconds
from blockqnn.automatic.larger import enlarged
from blockqnn.automatic.race import Entry, Races
from blockqnn.automatic.recipe_choice import standard_error
from blockqnn.automatic.session import Session
from blockqnn.config import Recipe
from blockqnn.journal import Row
from blockqnn.network.plan import Limits, OverLimit, Skeleton, plan_network
from blockqnn.report import rows as runs
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

_LARGE = 3600.0  # seconds of a budget from which the largest field may take part
_EPOCHS = 3.0  # of the ResNet-like exemplar: a job that is shorter tells nothing
_PASSES = 40.0  # epochs of the final training at least, before a larger network is worth its time
_GAIN = 0.8  # two threads train a network about 2 ** this times as fast as one
_SIZES = ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1))  # (times the filters, blocks a stage)
_FIELDS = ((8, 5), (4, 3), (2, 2), (1, 0))  # (blocks of the search, sizes of the two best)


def select(session: Session, races: Races, skeleton: Skeleton, recipe: Recipe) -> None:
    """First each block in the skeleton of the known networks; then two also wider and deeper.

    The two are the best block found and the best known one. The second round takes twice as long for
    each network.
    """
    few, sizes = _field(session, races.workers)
    blocks = {name: str(ZOO[name]) for name in KNOWN}
    found = runs.read(session.directory / "run").finalists()
    blocks |= {f"trial {entry.trial}": entry.code for entry in found[:few]}
    first = [Entry(name, code, skeleton, recipe) for name, code in blocks.items()]
    share = len(first) / (len(first) + 4 * len(sizes))
    trained = races.round("selection", 0, first, max(2.0, share * session.until("selection")))
    second = []
    for row in _finalists(session.best(_known(trained)), session.best(_found(trained))):
        second += _sized(row, sizes, session)
    if second:
        races.round("selection", 1, second, max(2.0, session.until("selection")))


def winner(session: Session, workers: int) -> Row:
    """What is trained at last: the best block of the last round, in the size that suits the time.

    A block found must be better than the best known one by more than the standard error of that
    difference: what a known one does in a longer training is known.

    A round's jobs are far shorter than the final training, so they favour what learns fast, a small
    network. Therefore they choose the block alone; its size is the largest in which the final
    training will show each image often enough, by the epochs that the round's jobs made and what an
    image costs there. Raises RuntimeError where nothing learned.
    """
    stage, rows = session.rows("selection"), session.journal.rows
    last = [row for row in stage if row.round == max(r.round for r in stage)]
    found = session.best(last) or session.best(rows)
    if found is None:
        raise RuntimeError("no network within the limits learned anything; there is no model")
    known = session.best(_known(last))
    if known and not _surely_better(found, known, session.journal.data.sizes[1]):
        found = known
    ends = session.journal.ends
    seconds = (ends["training"] - ends.get("proof", ends["selection"])) * workers**_GAIN
    same = [row for row in last if row.name == found.name]
    enough = [row for row in same if _passes(row, session, seconds) >= _PASSES]
    return max(enough, key=lambda row: row.params, default=found)


def _passes(row: Row, session: Session, seconds: float) -> float:
    """Epochs that the final training of the row's network will make in so many seconds."""
    slower = enlarged(row, session.journal).flops / row.flops
    return row.epochs / row.seconds * seconds / slower


def _known(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.name in KNOWN]


def _found(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.name not in KNOWN]


def _finalists(*best: Row | None) -> list[Row]:
    """Those that learned, the better one first."""
    return sorted(filter(None, best), key=lambda row: -(row.accuracy or 0.0))


def _surely_better(one: Row, other: Row, images: int) -> bool:
    """Whether one's lead is above the standard error of the difference."""
    a, b = (row.accuracy or 0.0 for row in (one, other))
    return a - b > math.hypot(standard_error(a, images), standard_error(b, images))


def _field(session: Session, workers: int) -> tuple[int, Sequence[tuple[int, int]]]:
    """How many blocks of the search take part, and in which sizes the two best go on.

    As many as leave each job its time. It follows from what the journal holds of the stages before, so
    that a later session finds the same.
    """
    ends = session.journal.ends
    jobs = (ends["selection"] - ends["search"]) * workers / max(2.0, _EPOCHS * epoch_seconds(session))
    fields = _FIELDS if session.journal.budget >= _LARGE else _FIELDS[1:]
    for few, sizes in fields:
        if len(KNOWN) + few + 4 * sizes <= jobs:  # two blocks in each size, each two jobs long
            break
    return few, _SIZES[:sizes]


def _sized(row: Row, sizes: Sequence[tuple[int, int]], session: Session) -> list[Entry]:
    """The row's block, wider and deeper, as far as the limits admit."""
    data, entries = session.journal.data, []
    limits = Limits(session.settings.space.max_params)
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
