"""How a run moved, iteration by iteration, as figures 5 and 8 need it."""

from collections.abc import Iterable

from blockqnn.diagram.curves import Series, Zone
from blockqnn.errors import InputError
from blockqnn.report.policy import WITH_AN_AGENT
from blockqnn.report.rows import Entry, IterationRow, RunView

Points = tuple[tuple[float, float], ...]


def by_iteration(view: RunView) -> list[IterationRow]:
    """A row for each complete iteration; InputError where there is none."""
    count = view.fold.complete_iterations()
    if not count:
        raise InputError(f"run {view.directory}: has no complete iteration yet")
    return view.by_iteration(count)


def accuracies(rows: Iterable[IterationRow]) -> Points:
    """(iteration, mean accuracy in percent), without iterations in which all failed."""
    return tuple((float(r.first), r.accuracy) for r in rows if r.accuracy is not None)


def rewards(rows: Iterable[IterationRow]) -> Points:
    """(iteration, mean reward), failures included."""
    return tuple((float(r.first), r.reward) for r in rows)


def lengths(rows: Iterable[IterationRow]) -> Points:
    """(iteration, mean number of operations of its blocks)."""
    return tuple((float(r.first), r.length) for r in rows)


def levels(view: RunView, rows: Iterable[IterationRow]) -> list[tuple[float, int, int]]:
    """(epsilon, first iteration, last iteration) of each level; none where epsilon means nothing."""
    found: list[tuple[float, int, int]] = []
    if view.facts.settings.strategy not in (*WITH_AN_AGENT, "random"):
        return found
    for row in rows:
        if found and found[-1][0] == row.epsilon:
            found[-1] = (row.epsilon, found[-1][1], row.last)
        else:
            found.append((row.epsilon, row.first, row.last))
    return found


def epsilon_zones(view: RunView, rows: Iterable[IterationRow]) -> tuple[Zone, ...]:
    """A zone for each level of epsilon; the random phase is shaded."""
    found = levels(view, rows)
    names = [f"{'epsilon ' if i == 0 else ''}{epsilon:g}" for i, (epsilon, _, _) in enumerate(found)]
    return tuple(
        Zone(first - 0.5, last + 0.5, name, shaded=epsilon == 1)
        for (epsilon, first, last), name in zip(found, names, strict=True)
    )


def placed(view: RunView) -> list[tuple[int, Entry]]:
    """(iteration from 1 on, evaluated trial), in the order of the trials."""
    entries = sorted(view.entries(), key=lambda entry: entry.trial)
    return [(view.fold.trials[entry.trial].iteration + 1, entry) for entry in entries]


def best_so_far(label: str, points: Iterable[tuple[float, float]], last: float) -> Series:
    """The highest of the points up to each place, as steps to the last one."""
    steps: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if not steps or y > steps[-1][1]:
            if steps and steps[-1][0] == x:
                steps.pop()
            steps.append((x, y))
    return Series(label, (*steps, (last, steps[-1][1])) if steps else (), "step")
