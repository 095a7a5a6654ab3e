"""Where things lie in a picture: left, top, right, bottom, in pixels."""

import re
from unicodedata import east_asian_width

SVG = "{http://www.w3.org/2000/svg}"
_TURNED = re.compile(r"rotate\(-90 (-?[\d.]+) (-?[\d.]+)\)")


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def inside(inner, outer):
    return (
        outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]
    )


def text_rectangle(text, size):
    """What a label can cover at most: 0.61 of the font's size a character, twice that if wide.

    A label may be turned by a quarter, about its own place.
    """
    width = sum(2 if east_asian_width(c) in "WF" else 1 for c in text.text) * 0.61 * size
    x, y = float(text.get("x")), float(text.get("y"))
    start = {"middle": width / 2, "end": width}.get(text.get("text-anchor"), 0)
    if turned := _TURNED.fullmatch(text.get("transform", "")):
        assert (float(turned[1]), float(turned[2])) == (x, y)
        return x - size * 0.6, y + start - width, x + size * 0.6, y + start
    return x - start, y - size * 0.6, x - start + width, y + size * 0.6


def whole(root):
    """The picture's own."""
    return 0, 0, float(root.get("width")), float(root.get("height"))
