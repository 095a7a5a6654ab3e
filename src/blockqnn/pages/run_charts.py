"""The charts of a run, finished or live: how the search moved, and what accuracy costs."""

from collections.abc import Callable, Sequence
from itertools import accumulate

from blockqnn.pages.chart import Chart, Form, Span, Trace
from blockqnn.report.histogram import short
from blockqnn.report.pareto import front
from blockqnn.report.rows import Entry, IterationRow

_OUTLIERS_OF = 20  # values, below which all are shown
_RANDOM = 0.999  # epsilon from which on every step is random


def charts(
    entries: Sequence[Entry],
    rows: Sequence[IterationRow],
    metric: str,
    *,
    corrected: bool,
    learns: bool,
) -> list[Chart]:
    """Of the evaluated trials in order of their numbers, and the iterations, one each or grouped.

    `corrected`: the reward is not the accuracy. `learns`: the strategy has an epsilon.
    """
    drawn = [by_trial(entries, metric)]
    if corrected:
        drawn.append(by_trial(entries, metric, reward=True))
    drawn.append(by_iteration(rows, metric, corrected=corrected, learns=learns))
    drawn.append(lengths(rows, learns=learns))
    timed = any(entry.latency for entry in entries)
    drawn += [against_cost(entries, metric, c) for c in ("flops", "params", *["latency"] * timed)]
    return drawn


def by_trial(entries: Sequence[Entry], metric: str, *, reward: bool = False) -> Chart:
    """Each trained network as a dot, and the best so far."""
    what = "reward" if reward else f"validation {metric}, %"
    values = [entry.reward if reward else entry.accuracy for entry in entries]
    numbers = [entry.trial for entry in entries]
    best = list(accumulate(values, max))
    title = "Reward of each trained network" if reward else "Each trained network"
    told = (
        f"{len(values)} networks from {min(values):.2f} to {max(values):.2f}; the best so far was"
        f" {best[len(best) // 2]:.2f} after half of them.{_below(values)}"
        if values
        else "Nothing measured yet."
    )
    return Chart(
        "reward-by-trial" if reward else "by-trial",
        title,
        "trial",
        what,
        (
            Trace("a trained network", numbers, values, "dots", [*map(_told, entries)]),
            Trace("best so far", numbers, best, "step"),
        ),
        told,
        seen=_seen(values),
    )


def by_iteration(rows: Sequence[IterationRow], metric: str, *, corrected: bool, learns: bool) -> Chart:
    """Means over the trials of each iteration, and epsilon; the random phase is marked (Fig. 8)."""
    at = [row.last for row in rows]
    traces = [Trace(f"mean {metric}, %", at, [row.accuracy for row in rows])]
    if corrected:
        traces.append(Trace("mean reward", at, [row.reward for row in rows]))
    if learns:
        traces.append(Trace("epsilon", at, [row.epsilon for row in rows], "step", right=True))
    return Chart(
        "by-iteration",
        "How the search moved",
        "iteration",
        f"mean validation {metric}, %",
        tuple(traces),
        _moved(rows, learns=learns),
        right="epsilon" if learns else "",
        spans=_random_phase(rows) if learns else (),
    )


def lengths(rows: Sequence[IterationRow], *, learns: bool) -> Chart:
    """Operations a block, and which share of the trials were networks already known."""
    at = [row.last for row in rows]
    return Chart(
        "lengths",
        "Length of the blocks, and repeats",
        "iteration",
        "operations, mean",
        (
            Trace("of the trials", at, [row.length for row in rows]),
            Trace("of all proposals", at, [row.proposed_length for row in rows]),
            Trace("repeats, %", at, [100 * row.repeats for row in rows], "step", right=True),
        ),
        f"Blocks had {rows[0].length:.1f} operations at first and {rows[-1].length:.1f} at last."
        if rows
        else "No finished iteration yet.",
        right="repeats, %",
        spans=_random_phase(rows) if learns else (),
    )


_COSTS: dict[str, tuple[str, str, Callable[[Entry], float]]] = {
    "flops": ("FLOPs", "FLOPs of one image", lambda entry: entry.flops),
    "params": ("parameters", "parameters", lambda entry: entry.params),
    "latency": ("latency", "ms of one image", lambda e: e.latency.milliseconds if e.latency else 0.0),
}


def against_cost(entries: Sequence[Entry], metric: str, cost: str) -> Chart:
    """Accuracy over a cost (params, flops or latency), with the networks that none beats in both."""
    name, across, of = _COSTS[cost]
    unbeaten = front(entries, cost)
    told = "Nothing measured yet."
    if unbeaten:
        first, last = unbeaten[0], unbeaten[-1]
        told = (
            f"{len(unbeaten)} networks are beaten by none in both: from {first.accuracy:.2f} % with"
            f" {short(of(first))} to {last.accuracy:.2f} % with {short(of(last))} {across}."
        )
    known = [entry for entry in entries if of(entry) > 0]
    forms: tuple[tuple[str, list[Entry], Form], ...] = (
        ("a trained network", known, "dots"),
        ("none is better and cheaper", unbeaten, "step"),
    )
    traces = [
        Trace(label, [*map(of, some)], [e.accuracy for e in some], form, [*map(_told, some)])
        for label, some, form in forms
    ]
    return Chart(
        f"against-{cost}",
        f"Accuracy against {name}",
        across,
        f"validation {metric}, %",
        tuple(traces),
        told + _below([entry.accuracy for entry in known]),
        logarithmic=True,
        seen=_seen([entry.accuracy for entry in known]),
    )


def _seen(values: Sequence[float]) -> tuple[float, float] | None:
    """What the axis shows at first, so that what is far below the others does not press them together.

    None where nothing is: the lowest tenth spans less than half of the whole range.
    """
    if len(values) < _OUTLIERS_OF:
        return None
    ordered = sorted(values)
    tenth, lowest, highest = ordered[len(ordered) // 10], ordered[0], ordered[-1]
    if tenth - lowest < (highest - lowest) / 2:
        return None
    near = highest - tenth
    return tenth - near / 4, highest + near / 10


def _below(values: Sequence[float]) -> str:
    seen = _seen(values)
    count = sum(value < seen[0] for value in values) if seen else 0
    return f" {count} lower ones are out of sight until you double-click." if count else ""


def _told(entry: Entry) -> str:
    """One line for who points at it."""
    latency = f", {entry.latency.milliseconds:.2f} ms" if entry.latency else ""
    return (
        f"trial {entry.trial}: {entry.accuracy:.2f} %, reward {entry.reward:.2f}<br>"
        f"{short(entry.params)} parameters, {short(entry.flops)} FLOPs{latency}"
    )


def _random_phase(rows: Sequence[IterationRow]) -> tuple[Span, ...]:
    random = [row for row in rows if row.epsilon >= _RANDOM]
    return (Span(random[0].first, random[-1].last, "random"),) if random else ()


def _moved(rows: Sequence[IterationRow], *, learns: bool) -> str:
    known = [row for row in rows if row.accuracy is not None]
    if not known:
        return "No finished iteration yet."
    first, last = known[0], known[-1]
    at = [f" at epsilon {row.epsilon:.2f}" if learns else "" for row in (first, last)]
    began = f"The mean of an iteration was {first.accuracy:.2f} %{at[0]}"
    return f"{began} and is {last.accuracy:.2f} %{at[1]}."
