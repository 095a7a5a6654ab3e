"""Text in pictures: how wide it is at most, cut to a width, and safe to be written into a file."""

import re
from html import escape
from unicodedata import east_asian_width

ADVANCE = 0.62  # of the font's size; monospaced fonts have 0.55 to 0.61
# Control characters, halves of surrogate pairs, what turns the direction of writing: names of
# files may hold them, XML must not, and a reader should see that something was there.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def escaped(text: str) -> str:
    """The text as the content of an element or an attribute, in HTML and in XML."""
    return escape(_UNSAFE.sub("\ufffd", text))


def text_width(text: str, size: float) -> float:
    """Pixels in a monospaced font; wide East Asian characters take two places."""
    cells = sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
    return cells * size * ADVANCE


def shortened(text: str, size: float, room: float) -> str:
    """The text, or as much of its beginning as leaves room for an ellipsis."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


def px(value: float) -> str:
    """A number of pixels, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")
