"""Boxes in rows, so that arrows point down and cross as little as can be found.

The frame of Sugiyama, Tagawa and Toda (1981): each box goes one row below the lowest that it
reads; a long arrow gets a bend in each row between, and the bends of one tail are shared, as the
arrows carry the same thing; rows are sorted by the mean place of what they are joined to,
downwards and upwards in turn, and neighbours change places where that saves crossings.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from random import Random

from blockqnn.diagram.figure import Arrow

_STARTS, _SWEEPS = 32, 4  # twice as many sweeps lower the count by less than a hundredth
_PATIENCE = 100_000  # joints in all sweeps, so that 255 layers take seconds

Order = tuple[tuple[int, ...], ...]  # of each row, its points from left to right


@dataclass(frozen=True)
class Rows:
    """Points in rows: the boxes by their numbers, then the bends.

    `above` and `below` are, of each point, those that it is joined to in the next row; `routes`,
    of each arrow, the points that it passes.
    """

    order: Order
    above: tuple[tuple[int, ...], ...]
    below: tuple[tuple[int, ...], ...]
    routes: tuple[tuple[int, ...], ...]


def arranged(boxes: int, arrows: Sequence[Arrow]) -> Rows:
    """The best order found; the same for the same arrows."""
    rows = _in_rows(boxes, arrows)
    best, fewest = rows.order, crossings(rows.order, rows.below)
    for order in islice(_tried(rows), _PATIENCE // sum(map(len, rows.above))):
        if fewest == 0:
            break
        count = crossings(order, rows.below)
        if count < fewest:
            best, fewest = order, count
    return replace(rows, order=best)


def crossings(order: Order, below: Sequence[Sequence[int]]) -> int:
    """How often lines between neighbouring rows cross."""
    total = 0
    for upper, lower in pairwise(order):
        place = {point: i for i, point in enumerate(lower)}
        ends: list[int] = []  # of the lines that begin further left
        for point in upper:
            new = [place[p] for p in below[point]]
            total += sum(len(ends) - bisect_left(ends, end + 1) for end in new)
            for end in new:
                insort(ends, end)
    return total


def _in_rows(boxes: int, arrows: Sequence[Arrow]) -> Rows:
    """Each point in its row, in the order of the boxes' numbers."""
    row = [0] * boxes
    for arrow in sorted(arrows):
        row[arrow.head] = max(row[arrow.head], row[arrow.tail] + 1)
    bends: dict[int, list[int]] = {}  # of a tail, from the row below it on
    for arrow in arrows:
        trunk = bends.setdefault(arrow.tail, [])
        while row[arrow.tail] + len(trunk) + 1 < row[arrow.head]:
            trunk.append(len(row))
            row.append(row[arrow.tail] + len(trunk))
    routes = tuple((a.tail, *bends[a.tail][: row[a.head] - row[a.tail] - 1], a.head) for a in arrows)
    joints = sorted({joint for route in routes for joint in pairwise(route)})
    above: list[list[int]] = [[] for _ in row]
    below: list[list[int]] = [[] for _ in row]
    for upper, lower in joints:
        below[upper].append(lower)
        above[lower].append(upper)
    by_row: list[list[int]] = [[] for _ in range(max(row) + 1)]
    for point in _depth_first(below):
        by_row[row[point]].append(point)
    return Rows(tuple(map(tuple, by_row)), tuple(map(tuple, above)), tuple(map(tuple, below)), routes)


def _depth_first(below: Sequence[Sequence[int]]) -> Iterator[int]:
    """All points from the first box on, what one leads to side by side."""
    stack, seen = [0], {0}
    while stack:
        point = stack.pop()
        yield point
        new = [p for p in below[point] if p not in seen]
        seen.update(new)
        stack.extend(reversed(new))


def _tried(rows: Rows) -> Iterator[Order]:
    """Orders swept from the first one, from its mirror image, and from shuffled ones."""
    rng = Random(0)
    yield from _swept(rows, rows.order)
    yield from _swept(rows, tuple(row[::-1] for row in rows.order))
    for _ in range(_STARTS - 2):
        yield from _swept(rows, tuple(tuple(rng.sample(row, len(row))) for row in rows.order))


def _swept(rows: Rows, order: Order) -> Iterator[Order]:
    """Down and up in turn; where means are equal, every second time the old order is turned."""
    for sweep in range(_SWEEPS):
        up, turned = sweep % 2 == 1, sweep % 4 > 1
        side = rows.below if up else rows.above
        first, *others = reversed(order) if up else order
        done = [first]
        for row in others:
            place = {point: i for i, point in enumerate(done[-1])}
            mean = {p: sum(place[q] for q in side[p]) / len(side[p]) for p in row}
            done.append(tuple(sorted(row[::-1] if turned else row, key=mean.__getitem__)))
        order = _neighbours_changed(rows, tuple(done[::-1] if up else done))
        yield order


def _neighbours_changed(rows: Rows, order: Order) -> Order:
    """Neighbours that cross less the other way round change places, until there are none."""
    new = [list(row) for row in order]
    place = {point: i for row in new for i, point in enumerate(row)}

    def crossed(left: int, right: int) -> int:
        """Crossings of the lines of two points, the one left of the other."""
        return sum(
            place[p] > place[q]
            for side in (rows.above, rows.below)
            for p in side[left]
            for q in side[right]
        )

    changed = True
    while changed:
        changed = False
        for row in new:
            for i in range(len(row) - 1):
                left, right = row[i : i + 2]
                if crossed(left, right) > crossed(right, left):
                    row[i], row[i + 1] = right, left
                    place[left], place[right] = i + 1, i
                    changed = True
    return tuple(map(tuple, new))
