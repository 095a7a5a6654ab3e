"""The Pareto front of a run: what is to be had for each cost."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from blockqnn.errors import InputError
from blockqnn.report.rows import Entry

_COSTS: Mapping[str, Callable[[Entry], float | None]] = MappingProxyType(
    {
        "params": lambda entry: entry.params,
        "flops": lambda entry: entry.flops,
        "latency": lambda entry: entry.latency.milliseconds if entry.latency else None,
    }
)


def front(entries: Iterable[Entry], cost: str) -> list[Entry]:
    """The entries that none beats: by accuracy at least as high at no more cost, one of them better.

    The cheapest first. Equal points are all kept, in order of their trials; of entries of equal cost
    the most accurate, of equal accuracy the cheapest. Latencies are compared by their medians, whatever
    their noise. InputError for an unknown cost, and for latency where no entry has one.
    """
    if cost not in _COSTS:
        raise InputError(f"pareto {cost[:60]!r}: the cost is one of {', '.join(_COSTS)}")
    rows = list(entries)
    points = [
        (price, -entry.accuracy, entry.trial, entry)
        for entry in rows
        if (price := _COSTS[cost](entry)) is not None
    ]
    if rows and not points:
        raise InputError(
            f"pareto {cost}: this run measured none; a search with --set latency.measure=true does"
        )
    kept: list[tuple[float, float, int, Entry]] = []
    for point in sorted(points):
        if not kept or point[1] < kept[-1][1] or point[:2] == kept[-1][:2]:
            kept.append(point)
    return [entry for *_, entry in kept]
