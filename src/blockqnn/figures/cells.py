"""Figure 9: the pre-activation cell as one layer of the code, against its three layers one by one."""

from collections.abc import Sequence

from blockqnn.diagram.curves import curves_picture
from blockqnn.diagram.figure import Arrow, Box, Figure
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.diagram.svg import picture
from blockqnn.figures import moments
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.shaped import line
from blockqnn.figures.words import aligned, names, number
from blockqnn.report.rows import RunView

_CELL = ("ReLU", "conv 3x3", "BN")
_SEPARATE = ("conv 3x3", "BN", "conv 3x3", "ReLU")  # what a walk over single layers may write
_ONE_LINE = (
    "there is no setting for separate layers: a convolution is always the cell ReLU, convolution, BN, in"
    " this order; separate ones would be a plugin's own types (--plugin)"
)


def draw(views: Sequence[RunView]) -> Drawn:
    """The forms; given runs, the mean accuracy of their iterations too."""
    forms = [
        Panel(picture(_chain("code", ("conv 3x3",), numbered=True)), "one layer of the code"),
        Panel(picture(_chain("cell", _CELL)), "is this cell, always whole"),
        Panel(picture(_chain("separate layers", _SEPARATE, numbered=True)), "separate: each a layer"),
    ]
    lines, rows = [_ONE_LINE], [forms]
    if views:
        found = {name: moments.by_iteration(v) for name, v in zip(names(views), views, strict=True)}
        series = [line(name, [moments.accuracies(rows_of)]) for name, rows_of in found.items()]
        title = "mean validation accuracy of an iteration (%)"
        rows.append([Panel(curves_picture(series, title, "iteration", 720, 300))])
        table: list[tuple[str, ...]] = [("run", "iterations", "first", "last")]
        for one in series:
            ends = (one.points[0][1], one.points[-1][1]) if one.points else (None, None)
            table.append((one.label, str(len(one.points)), *(number(end, ".2f") for end in ends)))
        lines += aligned(table)
    heading = "Figure 9: one cell, or separate layers"
    return Drawn(sheet(rows, heading, "; ".join(lines)), tuple(lines))


def _chain(title: str, labels: Sequence[str], *, numbered: bool = False) -> Figure:
    """Layers one after the other; with the numbers that they have in a code."""
    boxes = (
        Box("input", "end"),
        *(
            Box(label, _KINDS.get(label, "conv"), place if numbered else None)
            for place, label in enumerate(labels, 1)
        ),
        Box("output", "end"),
    )
    arrows = tuple(Arrow(i, i + 1) for i in range(len(boxes) - 1))
    return Figure(title, " -> ".join(labels), boxes, arrows)


_KINDS = {"ReLU": "add", "BN": "identity"}
