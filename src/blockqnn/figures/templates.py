"""Figure 3: the templates in which blocks are stacked."""

from collections.abc import Sequence

from blockqnn.diagram.figure import Arrow, Box, Figure
from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.diagram.svg import picture
from blockqnn.figures.drawn import Drawn
from blockqnn.network.plan import SKELETONS, STEM_KERNEL, Skeleton
from blockqnn.report.rows import RunView


def draw(views: Sequence[RunView]) -> Drawn:  # noqa: ARG001
    """All templates of the project; of no run."""
    lines = [f"{name}: {_told(skeleton)}" for name, skeleton in SKELETONS.items()]
    panels = [
        Panel(picture(network(skeleton, symbolic=True)), name) for name, skeleton in SKELETONS.items()
    ]
    return Drawn(sheet([panels], "Figure 3: templates", "; ".join(lines)), tuple(lines))


def network(skeleton: Skeleton, *, symbolic: bool = False) -> Figure:
    """The network of a template from its input to its classes.

    With `symbolic` the number of blocks of a stage is N, as any will do.
    """
    boxes = [Box("image", "end")]
    for op in skeleton.stem:
        stem = f"conv {STEM_KERNEL}x{STEM_KERNEL}, {skeleton.widths[0]} filters"
        boxes.append(Box(stem, "conv") if op == "conv" else _POOL)
    for number, (width, repeats) in enumerate(zip(skeleton.widths, skeleton.repeats, strict=True)):
        if number:
            boxes.append(_POOL)
        boxes.append(Box(f"block x {'N' if symbolic else repeats}, {width} filters", "concat"))
    boxes += [Box("ReLU, global average", "pool"), Box("linear", "identity"), Box("classes", "end")]
    return Figure(
        title="Network",
        description=_told(skeleton),
        boxes=tuple(boxes),
        arrows=tuple(Arrow(i, i + 1) for i in range(len(boxes) - 1)),
    )


_POOL = Box("max pool 2x2", "pool")


def _told(skeleton: Skeleton) -> str:
    widths, repeats = (",".join(map(str, values)) for values in (skeleton.widths, skeleton.repeats))
    return (
        f"stem {', '.join(skeleton.stem)}; stages of {widths} filters with a max pooling between them;"
        f" {repeats} blocks a stage unless told otherwise"
    )
