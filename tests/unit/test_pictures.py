"""Charts and confusion matrices, read back from the SVG: what is there, and that all can be read."""

import math
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockqnn.diagram.axis import axis
from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.matrix import confusion_picture
from journeys import confusion
from rectangles import SVG, inside, overlap, text_rectangle, whole

NASTY = '<b>&"x"'
FINITE = st.floats(-1e9, 1e9, allow_nan=False, width=32)


def texts(root, kind=None):
    return [t for t in root.iter(f"{SVG}text") if kind is None or kind in t.get("class", "").split()]


def assert_legible(root, names=("title",)):
    """All labels inside the picture, none on another; a title has 12 pixels, all else 11."""
    labels = [
        text_rectangle(t, 12 if set(t.get("class", "").split()) & set(names) else 11)
        for t in root.iter(f"{SVG}text")
    ]
    assert labels
    for label in labels:
        assert inside(label, whole(root))
    assert not [(a, b) for a, b in combinations(labels, 2) if overlap(a, b)]


def assert_alone(text, kind):
    """Brings nothing from elsewhere, and leaves the page around it its style."""
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text
    assert root.find(f"{SVG}desc").text
    rest = text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|<script|href|url\(|@import|@font-face|\bon\w+=", rest)
    assert "prefers-color-scheme: dark" in text
    rules = re.findall(r"^(?!@|})(.+) \{", root.find(f"{SVG}style").text, re.MULTILINE)
    assert all(s.startswith(f".{kind}") for rule in rules for s in rule.split(", "))


# the confusion matrix

NAMES = {
    2: ["a", f"{NASTY} and a name that is too long to be written beside a row"],
    3: ["ねこ" * 20, "犬", "\x1b[31mred\u202e"],
    10: list("0123456789"),
    20: [f"class {i}" for i in range(20)],
    21: [f"class {i}" for i in range(21)],
    100: [f"some class number {i}" for i in range(100)],
    300: [f"n{i:08d}" for i in range(300)],
}


@pytest.mark.parametrize("each", [3, 150, 123_456])
@pytest.mark.parametrize("count", NAMES)
def test_a_confusion_matrix_can_be_read(count, each):
    text = confusion_picture(confusion(count, each), NAMES[count])
    assert_alone(text, "bq-matrix")
    root = ElementTree.fromstring(text)
    assert_legible(root)
    assert whole(root)[2] < 1000 or each > 100_000
    assert len(text) < 250_000


@pytest.mark.parametrize("count", NAMES)
def test_each_count_has_its_cell(count):
    table = confusion(count, 150)
    root = ElementTree.fromstring(confusion_picture(table, NAMES[count]))
    shown = {"right": 0, "wrong": 0}
    for path in root.iter(f"{SVG}path"):
        kinds = path.get("class").split()
        if "cells" in kinds:
            shown[kinds[1]] += path.get("d").count("M")
    there = sum(n > 0 for row in table for n in row)
    right = sum(table[i][i] > 0 for i in range(count))
    assert shown == {"right": right, "wrong": there - right}
    (frames,) = (p for p in root.iter(f"{SVG}path") if "diagonal" in p.get("class"))
    assert frames.get("d").count("M") == count, "the diagonal is known by its frames, not by color alone"


@pytest.mark.parametrize("count", NAMES)
def test_counts_are_written_up_to_20_classes(count):
    table = confusion(count, 150)
    root = ElementTree.fromstring(confusion_picture(table, NAMES[count]))
    written = [int(t.text) for t in texts(root, "count")]
    assert written == ([n for row in table for n in row if n] if count <= 20 else [])


def test_the_shade_is_the_share_of_the_true_class():
    """The same share is the same shade, whatever the class's size; a row of nothing is empty."""
    root = ElementTree.fromstring(confusion_picture([[10, 0, 0], [0, 1000, 0], [0, 0, 0]], "abc"))
    cells = [p for p in root.iter(f"{SVG}path") if "cells" in p.get("class")]
    assert [(p.get("class"), p.get("fill-opacity"), p.get("d").count("M")) for p in cells] == [
        ("cells right", "1", 2)
    ]
    root = ElementTree.fromstring(confusion_picture([[999, 1], [500, 500]], "ab"))
    shades = {p.get("class"): p.get("fill-opacity") for p in root.iter(f"{SVG}path")}
    assert float(shades["cells wrong"]) < 1
    assert "0.1" in [p.get("fill-opacity") for p in root.iter(f"{SVG}path")], "one of 1000 is seen"


def test_names_stand_at_both_axes_and_long_ones_are_cut():
    root = ElementTree.fromstring(confusion_picture(confusion(2), NAMES[2]))
    names = [t.text for t in texts(root, "name")]
    assert sorted(names) == sorted(["a", "a", *[n for n in names if n.startswith(f"{NASTY} and")]])
    assert names[-1].endswith("…")
    assert len(names) == 4


def test_a_matrix_of_nothing():
    assert_legible(ElementTree.fromstring(confusion_picture([[0, 0], [0, 0]], "ab")))


# curves

RANGES = [
    (0, 100),
    (0, 3),
    (99.1, 99.2),
    (-5, 5),
    (0, 2e7),
    (1e-5, 3e-5),
    (50, 50),
    (0, 0),
    (-1e9, 1e12),
    (1234567, 1234568),
]


@pytest.mark.parametrize("up", RANGES)
@pytest.mark.parametrize("across", RANGES)
def test_a_chart_can_be_read(across, up):
    points = tuple(
        (a + (b - a) * i / 9, c + (d - c) * i / 9) for i in range(10) for a, b, c, d in [(*across, *up)]
    )
    series = (
        Series("each of the trained networks", points, "dots"),
        Series(f"the best {NASTY} so far", points, "step"),
        Series("another one that has a name too long to be written in one line of a legend", points),
    )
    text = curves_picture(series, "validation accuracy, %", "trial")
    assert_alone(text, "bq-curves")
    root = ElementTree.fromstring(text)
    assert_legible(root)
    frame = [float(line.get("y1")) for line in root.iter(f"{SVG}line")]
    legend = [g for g in root.iter(f"{SVG}g") if g.get("class") == "entry"]
    assert len(legend) == 3
    for entry in legend:
        assert text_rectangle(entry.find(f"{SVG}text"), 11)[1] > max(frame), "it hides no line"
    for circle in root.iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx")) <= float(root.get("width"))
        assert 0 <= float(circle.get("cy")) <= float(root.get("height"))


@given(st.lists(FINITE, min_size=1, max_size=5), st.integers(2, 8), st.booleans())
def test_ticks_are_round_and_hold_the_values(values, ticks, widened):
    found = axis(values, ticks, widened=widened)
    reach = found.high - found.low
    slack = 1e-6 * reach
    assert found.low - slack <= min(values) <= max(values) <= found.high + slack
    assert all(found.low - slack <= tick <= found.high + slack for tick in found.ticks)
    assert len(found.ticks) == len(found.labels) <= ticks + 2
    if len(found.ticks) > 1:
        step = (found.ticks[-1] - found.ticks[0]) / (len(found.ticks) - 1)
        digit = step / 10 ** math.floor(math.log10(step) + 1e-6)
        assert min(abs(digit - d) for d in (1, 2, 5)) < 1e-3


def test_numbers_at_the_ticks_say_what_is_there():
    assert axis([0, 1], 4, widened=True).labels == ("0", "0.5", "1.0")
    assert axis([0, 100], 5, widened=True).labels == ("0", "20", "40", "60", "80", "100")
    assert axis([61, 88], 4, widened=True).labels == ("60", "70", "80", "90")
    assert axis([3, 24], 5, widened=False).labels == ("5", "10", "15", "20")
    assert axis([-1.2, 1.2], 3, widened=True).labels == ("-2", "-1", "0", "1", "2")
    assert axis([0, 3e7], 4, widened=True).labels == ("0", "1e+07", "2e+07", "3e+07")
    assert axis([1e-5, 3e-5], 2, widened=True).labels == ("1e-05", "2e-05", "3e-05")
    assert axis([1234567, 1234569], 2, widened=True).labels == ("1,234,567", "1,234,568", "1,234,569")


def path_of(series, number=0):
    root = ElementTree.fromstring(curves_picture([series], "a", "b"))
    (group,) = (g for g in root.iter(f"{SVG}g") if g.get("data-series") == str(number))
    return group


def test_a_step_line_goes_across_before_it_goes_up():
    way = path_of(Series("best", ((0, 1), (1, 2), (5, 3)), "step")).find(f"{SVG}path").get("d")
    assert re.fullmatch(r"M[\d.]+ [\d.]+(H[\d.]+V[\d.]+){2}", way)


def test_what_is_not_finite_is_left_out():
    points = ((0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (3.0, 2.0))
    assert len(list(path_of(Series("loss", points, "dots")))) == 2


def test_one_point_is_a_dot_and_none_is_said():
    assert path_of(Series("one", ((1.0, 1.0),))).find(f"{SVG}circle") is not None
    root = ElementTree.fromstring(curves_picture([Series("none", ())], "loss", "epoch"))
    assert "nothing measured yet" in [t.text for t in texts(root)]
    assert_legible(ElementTree.fromstring(curves_picture([], "loss", "epoch")))
