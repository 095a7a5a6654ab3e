"""What a figure is, once drawn."""

from typing import NamedTuple


class Drawn(NamedTuple):
    """The picture (SVG), and the same in words, line by line."""

    svg: str
    lines: tuple[str, ...] = ()
