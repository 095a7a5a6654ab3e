"""Figure 8: accuracy and reward as the search went on, and the best blocks of a few moments."""

from collections.abc import Sequence
from statistics import fmean

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.diagram.svg import picture
from blockqnn.figures import moments
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.words import aligned, names, number
from blockqnn.report.rows import Entry, IterationRow, RunView
from blockqnn.space.code import figure

_WIDTH, _HEIGHT = 860, 320


def draw(views: Sequence[RunView]) -> Drawn:
    """Of one run."""
    (view,) = views
    rows = moments.by_iteration(view)
    corrects = view.facts.settings.reward.corrects
    shown = _moments(view, rows)
    metric = view.facts.settings.recipe.metric
    title = f"validation {metric} (%)" + ("" if corrects else ", which is the reward")
    points = [(i, e, e.accuracy) for i, e in moments.placed(view)]
    charts = [Panel(_chart(view, rows, title, points, moments.accuracies(rows), shown))]
    if corrects:
        points = [(i, e, e.reward) for i, e in moments.placed(view)]
        charts.append(Panel(_chart(view, rows, "reward", points, moments.rewards(rows), shown)))
    blocks = [
        Panel(
            picture(figure(view.facts.block(entry.code))),
            f"best after iteration {iteration}\ntrial {entry.trial}: {entry.accuracy:.2f} %"
            + (f"\nreward {entry.reward:.2f}" if corrects else ""),
        )
        for iteration, entry in shown
    ]
    heading = f"Figure 8: the search of {names(views)[0]}"
    lines = aligned(_by_level(view, rows))
    drawn = sheet([*([chart] for chart in charts), blocks], heading, "; ".join(lines))
    return Drawn(drawn, tuple(lines))


def _chart(
    view: RunView,
    rows: Sequence[IterationRow],
    title: str,
    points: Sequence[tuple[int, Entry, float]],
    means: moments.Points,
    shown: Sequence[tuple[int, Entry]],
) -> str:
    last = float(rows[-1].last)
    seen = [(float(i), value) for i, _, value in points if i <= last]
    lowest = _lowest([value for _, value in seen], [mean for _, mean in means])
    dots = tuple((x, value) for x, value in seen if value >= lowest)
    below = f" ({len(seen) - len(dots)} lie below)" if len(dots) < len(seen) else ""
    marked = {entry.trial for _, entry in shown}
    series = (
        Series("mean of an iteration", means),
        moments.best_so_far("best so far", seen, last),
        Series(f"a trained network{below}", dots, "dots"),
        Series("drawn below", tuple((float(i), v) for i, e, v in points if e.trial in marked), "dots"),
    )
    zones = moments.epsilon_zones(view, rows)
    return curves_picture(series, title, "iteration", _WIDTH, _HEIGHT, zones)


def _lowest(values: Sequence[float], means: Sequence[float]) -> float:
    """Where the axis may begin: a few bad networks would flatten all that lies above."""
    if not values:
        return 0.0
    return min([sorted(values)[len(values) // 10], *means])


def _moments(view: RunView, rows: Sequence[IterationRow]) -> list[tuple[int, Entry]]:
    """(iteration, best trial by reward until then): after the random phase, halfway on, at the end."""
    last = rows[-1].last
    random = next((end for eps, _, end in moments.levels(view, rows) if eps == 1), 1)
    first = random if random < last else 1
    found: dict[int, tuple[int, Entry]] = {}
    for moment in (first, (first + last) // 2, last):
        entries = [entry for i, entry in moments.placed(view) if i <= moment]
        if entries:
            best = max(entries, key=lambda entry: entry.reward)
            found.setdefault(best.trial, (moment, best))
    return list(found.values())


def _by_level(view: RunView, rows: Sequence[IterationRow]) -> list[tuple[str, ...]]:
    """Means over the iterations of each level of epsilon."""
    table: list[tuple[str, ...]] = [
        ("epsilon", "iterations", "mean accuracy", "mean reward", "best accuracy so far", "length")
    ]
    every = (float("nan"), rows[0].first, rows[-1].last)
    for epsilon, first, last in moments.levels(view, rows) or [every]:
        within = [row for row in rows if first <= row.first <= last]
        known = [row.accuracy for row in within if row.accuracy is not None]
        best = max((e.accuracy for i, e in moments.placed(view) if i <= last), default=None)
        table.append(
            (
                f"{epsilon:g}",
                f"{first}-{last}",
                number(fmean(known) if known else None, ".2f"),
                f"{fmean(row.reward for row in within):.2f}",
                number(best, ".2f"),
                f"{fmean(row.length for row in within):.2f}",
            )
        )
    return table
