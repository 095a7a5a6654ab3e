"""Figure 2: a block beside its code."""

from collections.abc import Sequence

from blockqnn.diagram.cells import cells_picture
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.diagram.svg import picture
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.words import aligned, called
from blockqnn.report.target import find
from blockqnn.space.code import Block, figure, op_name, terminal

EXEMPLARS = ("inception-like", "resnet-like")  # those of the paper
_HEADS = ("index", "type", "kernel", "pred1", "pred2", "")


def draw(named: Sequence[str]) -> Drawn:
    """Of any number of runs (their best trials), RUN:TRIALs, codes or names; else of the exemplars."""
    rows, lines = [], []
    for text in named or EXEMPLARS:
        block = find(text).block
        words, table = called(text), code_table(block)
        rows.append(
            [
                Panel(picture(figure(block)), words),
                Panel(cells_picture(_HEADS, table, f"code of {words}"), "its code"),
            ]
        )
        lines += [str(block), *aligned([_HEADS, *table])]
    return Drawn(sheet(rows, "Figure 2: blocks and their codes", "; ".join(lines)), tuple(lines))


def code_table(block: Block) -> list[tuple[str, ...]]:
    """The five numbers of each layer, and what its type is called."""
    layers = (*block.layers, terminal(len(block.layers) + 1))
    return [(*map(str, (x.index, int(x.op), x.kernel, x.pred1, x.pred2)), op_name(x.op)) for x in layers]
