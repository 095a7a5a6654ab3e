"""What the agent learned: values by position and layer, the greedy block, how the policy moved."""

from collections.abc import Callable, Sequence

from blockqnn.diagram.cells import cells_picture
from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.heat import Heat, heat_picture
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.diagram.svg import picture
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.moments import by_iteration, epsilon_zones
from blockqnn.figures.words import aligned, names, number
from blockqnn.report.policy import WITH_AN_AGENT, Choice, Learned, Moment, learned
from blockqnn.report.rows import RunView
from blockqnn.space.code import figure, layer_name

_TOLD = 10  # changes of the policy in words
_NARROW = 12  # places at most for two maps side by side


def draw(views: Sequence[RunView]) -> Drawn:
    """Of one run with a Q-table."""
    (view,) = views
    known = learned(view)
    values = heat(known, lambda choice: choice.value)
    tried = heat(known, lambda choice: float(choice.trials))
    moved = Series(
        "steps in common", tuple((float(m.iteration), 100 * m.agreement) for m in known.moments), "step"
    )
    zones = epsilon_zones(view, by_iteration(view))
    title = "steps in common with the last greedy block (%)"
    steps = _steps(known)
    maps = [
        Panel(heat_picture(values, "highest Q of a layer at each place", "place", "{:.1f}".format)),
        Panel(heat_picture(tried, f"trials with it there, of {known.trials}", "place", "{:.0f}".format)),
    ]
    rows = [
        *([maps] if known.positions <= _NARROW else [[one] for one in maps]),
        [
            Panel(picture(figure(known.greedy.block)), "the greedy block"),
            Panel(cells_picture(steps[0], steps[1:], "how sure each step is"), "how sure each step is"),
        ],
        [Panel(curves_picture([moved], title, "iteration", 720, 240, zones), "how the policy moved")],
    ]
    lines = lines_of(known)
    heading = f"What the agent of {names(views)[0]} learned"
    return Drawn(sheet(rows, heading, "; ".join(lines)), tuple(lines))


def learned_picture(view: RunView) -> str:
    """The same as SVG; empty where there is no table, or nothing was learned yet."""
    if view.facts.settings.strategy not in WITH_AN_AGENT or not view.fold.complete_iterations():
        return ""
    return draw([view]).svg


def heat(known: Learned, number_of: Callable[[Choice], float | None]) -> Heat:
    """A number of each kind of layer at each place; the greedy block's steps are framed."""
    table = {(choice.kind, choice.position): number_of(choice) for choice in known.choices}
    rows = {kind: i for i, kind in enumerate(known.kinds)}
    return Heat(
        rows=known.kinds,
        columns=tuple(str(p) for p in range(1, known.positions + 1)),
        values=tuple(
            tuple(table.get((kind, p)) for p in range(1, known.positions + 1)) for kind in known.kinds
        ),
        marked=frozenset((rows[layer_name(s.layer)], s.layer.index - 1) for s in known.steps),
    )


def lines_of(known: Learned) -> list[str]:
    """The greedy block, its steps, and the latest changes of the policy, as lines of text."""
    greedy, changes = known.greedy, known.changes
    lines = [f"greedy block after iteration {greedy.iteration}: {_seen(greedy)}", str(greedy.block), ""]
    lines += aligned(_steps(known))
    lines += [
        "",
        "Q: the value of the step; margin: above the best layer of another type; trials: how many of the"
        f" {known.trials} told made this very step",
        "",
        f"the greedy block changed {len(changes) - 1} times; the latest:",
    ]
    table = [("iteration", "steps in common", "accuracy", "block")]
    table += [
        (str(m.iteration), f"{m.agreement:.0%}", number(m.accuracy, ".2f"), str(m.block))
        for m in changes[-_TOLD:]
    ]
    return lines + aligned(table)


def _seen(moment: Moment) -> str:
    if moment.accuracy is None:
        return (
            "never measured" if moment.trial is None else f"trial {moment.trial}, without a measurement"
        )
    return f"trial {moment.trial}, validation accuracy {moment.accuracy:.2f} %"


def _steps(known: Learned) -> list[tuple[str, ...]]:
    table: list[tuple[str, ...]] = [
        ("step", "layer", "from", "Q", "trials", "margin", "best other type")
    ]
    for step in known.steps:
        table.append(
            (
                str(step.layer.index),
                layer_name(step.layer),
                ", ".join(str(p) if p else "input" for p in step.layer.preds),
                f"{step.value:.2f}",
                str(step.trials),
                number(step.margin, ".2f"),
                "-" if step.second is None else step.second.kind,
            )
        )
    return table
