"""Figure 1: the network that was found, beside its block."""

from collections.abc import Sequence

from blockqnn.diagram.sheet import Panel, sheet
from blockqnn.diagram.svg import picture
from blockqnn.figures.drawn import Drawn
from blockqnn.figures.templates import network
from blockqnn.figures.words import called
from blockqnn.network.plan import plan_network
from blockqnn.report.target import find
from blockqnn.space.code import figure


def draw(named: Sequence[str]) -> Drawn:
    """Of RUN (its best trial), RUN:TRIAL, a code or a name; the template is the run's, else CIFAR's."""
    (text,) = named
    found = find(text)
    skeleton, image, classes = found.skeleton(), found.image, found.classes
    lines = [str(found.block)]
    if found.facts is None or not found.facts.operations:  # own operations cannot be sized here
        plan = plan_network(found.block, skeleton, image, classes)
        lines.append(
            f"{plan.params:,} parameters, {plan.flops:,} FLOPs, depth {plan.depth}, for images of"
            f" {image.channels}x{image.height}x{image.width} and {classes} classes"
        )
    left = Panel(picture(network(skeleton)), "the network")
    right = Panel(picture(figure(found.block)), "its block")
    heading = f"Figure 1: network and block of {called(text)}"
    return Drawn(sheet([[left, right]], heading, "; ".join(lines)), tuple(lines))
