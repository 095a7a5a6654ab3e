"""What a picture shows: labelled boxes and arrows between them."""

from typing import NamedTuple


class Box(NamedTuple):
    label: str
    kind: str  # a class of the style sheet in svg.py
    number: int | None = None  # written small before the label


class Arrow(NamedTuple):
    """From one box to another, by their places in the figure; `tail` < `head`."""

    tail: int
    head: int
    dashed: bool = False


class Figure(NamedTuple):
    """Boxes from the first, which every other is reached from, to the last, which all lead to.

    No arrow comes twice.
    """

    title: str
    description: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
