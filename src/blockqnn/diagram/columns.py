"""Where the points of a row lie from left to right: straight trunks, boxes above one another.

After Brandes and Köpf, Fast and Simple Horizontal Coordinate Assignment (2001). Points are aligned
with the middle one of those that they are joined to, in four ways: to the row above or below, the
left or the right first; each is packed tightly, and a point's place is the mean of the two middle
ones of its four. A trunk of bends takes precedence, so it is straight in all four.
"""

from collections.abc import Sequence
from itertools import pairwise

from blockqnn.diagram.rows import Order, Rows

Crossed = frozenset[tuple[int, int]]  # joints (upper, lower) that are not to be straight


def columns(rows: Rows, widths: Sequence[float], gap: float) -> list[float]:
    """The middle of each point, at least `gap` from the next one of its row; the leftmost edge is 0.

    Points from the number of boxes on are bends; their width is 0.
    """
    crossed = _crossed(rows, widths)
    layouts = []
    for upwards in (False, True):
        for mirrored in (False, True):
            order = tuple(row[:: -1 if mirrored else 1] for row in rows.order[:: -1 if upwards else 1])
            sides = (rows.below, rows.above) if upwards else (rows.above, rows.below)
            group = _aligned(order, *sides, widths, crossed)
            xs = _packed(order, group, widths, gap)
            layouts.append([-x for x in xs] if mirrored else xs)
    edges = [_edges(xs, widths) for xs in layouts]
    left, right = min(edges, key=lambda e: e[1] - e[0])
    moved = [
        [x + (right - e[1] if i % 2 else left - e[0]) for x in xs]
        for i, (xs, e) in enumerate(zip(layouts, edges, strict=True))
    ]
    means = [sum(sorted(four)[1:3]) / 2 for four in zip(*moved, strict=True)]
    start = _edges(means, widths)[0]
    return [x - start for x in means]


def _edges(xs: Sequence[float], widths: Sequence[float]) -> tuple[float, float]:
    return (
        min(x - w / 2 for x, w in zip(xs, widths, strict=True)),
        max(x + w / 2 for x, w in zip(xs, widths, strict=True)),
    )


def _crossed(rows: Rows, widths: Sequence[float]) -> Crossed:
    """Of two joints that cross, the one that is not between bends; between equals, the right one."""
    crossed = set()
    for upper, lower in pairwise(rows.order):
        place = {point: i for i, point in enumerate(lower)}
        joints = [(u, v) for u in upper for v in rows.below[u]]
        inner = [(u, v) for u, v in joints if not widths[u] and not widths[v]]
        where = {u: i for i, u in enumerate(upper)}
        for u, v in inner:
            for joint in joints:
                if (where[joint[0]] - where[u]) * (place[joint[1]] - place[v]) < 0:
                    both = joint in inner
                    crossed.add(max(joint, (u, v), key=lambda j: where[j[0]]) if both else joint)
    return frozenset(crossed)


def _aligned(
    order: Order,
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    widths: Sequence[float],
    crossed: Crossed,
) -> list[int]:
    """Of each point the first one of its column."""
    group = list(range(len(before)))
    for previous, row in pairwise(order):
        place = {point: i for i, point in enumerate(previous)}
        last = -1  # place in the previous row that a column goes on from
        for point in row:
            joined = sorted(_candidates(point, before, after, widths), key=place.__getitem__)
            for middle in sorted({(len(joined) - 1) // 2, len(joined) // 2} if joined else ()):
                other = joined[middle]
                free = place[other] > last and not {(other, point), (point, other)} & crossed
                if group[point] == point and free:
                    group[point] = group[other]
                    last = place[other]
    return group


def _candidates(
    point: int, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]], widths: Sequence[float]
) -> list[int]:
    """What a point may be aligned with: a bend goes on in a bend where there is one."""
    if widths[point]:
        return [p for p in before[point] if widths[p] or all(widths[q] for q in after[p])]
    return [p for p in before[point] if not widths[p]] or list(before[point])


def _packed(order: Order, group: Sequence[int], widths: Sequence[float], gap: float) -> list[float]:
    """Columns as far left as they go, then those that are free to the right moved up to the next."""
    apart: dict[int, dict[int, float]] = {g: {} for row in order for g in map(group.__getitem__, row)}
    missing = dict.fromkeys(apart, 0)
    for row in order:
        for a, b in pairwise(row):
            right = apart[group[a]]
            missing[group[b]] += group[b] not in right
            distance = (widths[a] + widths[b]) / 2 + gap
            right[group[b]] = max(right.get(group[b], 0.0), distance)
    xs = dict.fromkeys(apart, 0.0)
    ready = [g for g, n in missing.items() if n == 0]
    for g in ready:  # grows: columns from left to right
        for other, distance in apart[g].items():
            xs[other] = max(xs[other], xs[g] + distance)
            missing[other] -= 1
            if missing[other] == 0:
                ready.append(other)
    for g in reversed(ready):
        if apart[g]:
            xs[g] = max(xs[g], min(xs[other] - distance for other, distance in apart[g].items()))
    return [xs[group[point]] for point in range(len(group))]
