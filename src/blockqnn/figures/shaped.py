"""Figure 5: rewards of every step (shaped, eq. 6) against rewards of the last step alone."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.figures import moments
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.words import aligned, names, number
from blockqnn.report.rows import RunView

_WIDTH, _HEIGHT = 720, 260
SHAPED, UNSHAPED = "shaped: r_t = r_T / T", "not shaped: r_t = 0"


class Group(NamedTuple):
    """Runs that are drawn as one line: the mean of them, with the lowest and highest as a band."""

    label: str
    runs: tuple[RunView, ...]


def draw(views: Sequence[RunView]) -> Drawn:
    """Of two runs or more: with and without shaped rewards as two lines, else each run as one."""
    groups = grouped(views)
    rows = {id(view): moments.by_iteration(view) for view in views}
    levels = {tuple(moments.levels(view, rows[id(view)])) for view in views}
    zones = moments.epsilon_zones(views[0], rows[id(views[0])]) if len(levels) == 1 else ()
    charts = []
    for title, points in (
        ("mean validation accuracy of an iteration (%)", moments.accuracies),
        ("mean reward of an iteration", moments.rewards),
        ("mean length of its blocks, operations", moments.lengths),
    ):
        series = [line(g.label, [points(rows[id(view)]) for view in g.runs]) for g in groups]
        charts.append([Panel(curves_picture(series, title, "iteration", _WIDTH, _HEIGHT, zones))])
    table: list[tuple[str, ...]] = [
        ("", "runs", "iterations", "accuracy, first", "last", "reward, last", "length, last"),
    ]
    table += [_told(group, [rows[id(view)] for view in group.runs]) for group in groups]
    lines = [*aligned(table), *(_otherwise(views))]
    return Drawn(sheet(charts, "Figure 5: shaped rewards", "; ".join(lines)), tuple(lines))


def grouped(views: Sequence[RunView]) -> list[Group]:
    """By whether rewards are shaped, where the runs differ in that; else by name."""
    by_shape: dict[bool, list[RunView]] = {}
    for view in views:
        by_shape.setdefault(view.facts.settings.agent.shaped, []).append(view)
    if len(by_shape) == 2:
        labels = {True: SHAPED, False: UNSHAPED}
        return [Group(labels[shaped], tuple(by_shape[shaped])) for shaped in (True, False)]
    return [Group(name, (view,)) for name, view in zip(names(views), views, strict=True)]


def line(label: str, runs: Sequence[moments.Points]) -> Series:
    """The mean over the runs where all of them have a point, with their lowest and highest."""
    tables = [dict(points) for points in runs]
    common = sorted(set.intersection(*(set(table) for table in tables)))
    values = {x: [table[x] for table in tables] for x in common}
    band = tuple((x, min(v), max(v)) for x, v in values.items()) if len(runs) > 1 else ()
    return Series(label, tuple((x, fmean(v)) for x, v in values.items()), band=band)


def _told(group: Group, rows: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    """Means of the group's runs in their first and in their last quarter, at least one iteration."""

    def mean(points: moments.Points, last: bool) -> float | None:
        count = max(1, len(points) // 4)
        part = points[-count:] if last else points[:count]
        return fmean(y for _, y in part) if part else None

    def of_all(which: Any, last: bool) -> str:
        found = [value for r in rows if (value := mean(which(r), last)) is not None]
        return number(fmean(found) if found else None, ".2f")

    return (
        group.label,
        str(len(group.runs)),
        str(min(len(r) for r in rows)),
        of_all(moments.accuracies, False),
        of_all(moments.accuracies, True),
        of_all(moments.rewards, True),
        of_all(moments.lengths, True),
    )


def _otherwise(views: Sequence[RunView]) -> list[str]:
    """What the numbers are, and in which settings the runs differ besides."""
    lines = ["first and last: means of the first and of the last quarter of the iterations"]
    flat = [_flat(view.facts.settings.model_dump(mode="json")) for view in views]
    free = ("agent.shaped", "plan.seed")
    keys = sorted({key for one in flat for key in one if not key.startswith("execution.")})
    other = [k for k in keys if k not in free and len({repr(one.get(k)) for one in flat}) > 1]
    if other:
        lines.append(f"the runs differ in other settings too: {', '.join(other)}")
    return lines


def _flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found
