"""Heat maps, intervals, tables and sheets, read back from the SVG."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from blockqnn.diagram.cells import cells_picture
from blockqnn.diagram.curves import Series, Zone, curves_picture
from blockqnn.diagram.heat import Heat, heat_picture
from blockqnn.diagram.intervals import Asked, Interval, intervals_picture
from blockqnn.diagram.sheet import Panel, sheet
from rectangles import SVG, inside, overlap, text_rectangle, whole

NASTY = '<b>&"x"'
SIZES = {"title": 12, "words": 12, "heading": 14, "cell": 12, "head": 12}


def labels(root):
    return [
        text_rectangle(t, next((SIZES[k] for k in t.get("class", "").split() if k in SIZES), 11))
        for t in root.iter(f"{SVG}text")
    ]


def read(text, kind):
    """The picture, which brings nothing from elsewhere and whose labels can all be read."""
    root = ElementTree.fromstring(text)
    assert root.get("class") == kind
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text
    assert root.find(f"{SVG}desc").text
    rest = text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|<script|href|url\(|@import|@font-face|\bon\w+=", rest)
    assert "prefers-color-scheme: dark" in text
    rules = re.findall(r"^(?!@|})(.+) \{", root.find(f"{SVG}style").text, re.MULTILINE)
    assert all(rule.startswith(f".{kind}") for rule in rules)
    found = labels(root)
    assert all(inside(label, whole(root)) for label in found)
    assert not [1 for a, b in combinations(found, 2) if overlap(a, b)]
    return root


def texts(root, kind):
    return [t.text for t in root.iter(f"{SVG}text") if kind in t.get("class", "").split()]


VALUES = ((1.0, None, 3.0), (None, 10.0, 2.5))


def test_each_number_in_its_cell_and_darker_the_higher():
    heat = Heat(("conv", NASTY), ("1", "2", "3"), VALUES, frozenset({(1, 1)}))
    root = read(heat_picture(heat, "values", "place", "{:.1f}".format), "bq-heat")
    assert texts(root, "number") == ["1.0", "3.0", "10.0", "2.5"]
    field = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "field"]
    cells = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "cell" and r.get("height") != "12"]
    assert (len(field), len(cells)) == (6, 4)
    shades = [float(cell.get("fill-opacity")) for cell in cells]
    assert sorted(range(4), key=shades.__getitem__) == [0, 3, 1, 2]
    columns = sorted({float(r.get("x")) for r in field})
    rows = sorted({float(r.get("y")) for r in field})
    places = [(rows.index(float(c.get("y"))), columns.index(float(c.get("x")))) for c in cells]
    assert places == [(0, 0), (0, 2), (1, 1), (1, 2)]
    (mark,) = (r for r in root.iter(f"{SVG}rect") if r.get("class") == "mark")
    assert (float(mark.get("x")), float(mark.get("y"))) == (columns[1], rows[1])


def test_one_number_far_below_leaves_the_others_apart():
    numbers = (0.0, *(90.0 + n / 2 for n in range(19)))
    heat = Heat(("a",), tuple(map(str, range(20))), (numbers,))
    root = read(heat_picture(heat, "values", "place", "{:.1f}".format), "bq-heat")
    cells = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "cell" and r.get("height") != "12"]
    shades = [float(cell.get("fill-opacity")) for cell in cells]
    assert max(shades) - shades[5] > 0.5
    assert "90.5 or less" in texts(root, "name")


@pytest.mark.parametrize("values", [((None,),), ((2.0,),), ((2.0,) * 30,)])
def test_empty_and_equal_maps(values):
    heat = Heat(("a",), tuple(str(i) for i in range(len(values[0]))), values)
    read(heat_picture(heat, "values", "place", "{:.0f}".format), "bq-heat")


def test_intervals_lie_where_their_numbers_do():
    asked = [
        Asked("one", (Interval(0, 50, 100), Interval(25, 50, 75))),
        Asked(NASTY, (Interval(10, 20, 30), Interval(90, 95, 100))),
    ]
    text = intervals_picture(asked, ("best", "random"), "shares", "%", room=400)
    root = read(text, "bq-ranges")
    paths = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("class").startswith("line")][:4]
    ends = [tuple(map(float, re.fullmatch(r"M([\d.]+) [\d.]+H([\d.]+)", p).groups())) for p in paths]
    start = ends[0][0]
    found = [place - start for pair in ends for place in pair]
    assert found == pytest.approx([0, 400, 100, 300, 40, 120, 360, 400], abs=0.2)
    dots = [float(c.get("cx")) - start for c in root.iter(f"{SVG}circle")][:4]
    assert dots == pytest.approx([200, 200, 80, 380], abs=0.2)


def test_a_table_keeps_its_cells_in_their_columns():
    heads, rows = ("step", "layer", "Q"), [("1", "conv 3x3", "98.74"), ("12", NASTY, "-")]
    root = read(cells_picture(heads, rows, "steps"), "bq-cells")
    assert texts(root, "head") == list(heads)
    assert texts(root, "cell") == [c for row in rows for c in row]
    flush = {t.text: t.get("text-anchor") for t in root.iter(f"{SVG}text")}
    assert (flush["step"], flush["12"], flush["98.74"], flush["layer"]) == ("end", "end", "end", None)


def test_pictures_of_a_sheet_lie_beside_and_below_each_other():
    chart = curves_picture([Series("a", ((1, 2), (2, 3)))], "up", "across")
    table = cells_picture(("a",), [("1",)], "table")
    wide = Panel(table, "words that are wider than their picture\nand more")
    text = sheet([[Panel(chart), wide, Panel(chart)], [Panel(table)]], f"a title {NASTY}", "told")
    root = ElementTree.fromstring(text)
    inner = root.findall(f"{SVG}svg")
    boxes = []
    for one in inner:
        x, y, width, height = (float(one.get(k)) for k in ("x", "y", "width", "height"))
        boxes.append((x, y, x + width, y + height))
    assert len(boxes) == 4
    words = [text_rectangle(t, SIZES[t.get("class")]) for t in root.findall(f"{SVG}text")]
    assert len(words) == 3
    everything = [*boxes, *words]
    assert all(inside(box, whole(root)) for box in everything)
    assert not [1 for a, b in combinations(everything, 2) if overlap(a, b)]
    assert boxes[0][1] == boxes[1][1] == boxes[2][1] < boxes[3][1]
    assert root.find(f"{SVG}desc").text == "told"


def test_zones_lie_behind_their_part_of_the_axis():
    series = [Series("a", tuple((float(i), i % 3) for i in range(1, 11)))]
    zones = (
        Zone(0.5, 4.5, "epsilon 1", shaded=True),
        Zone(4.5, 4.7, "too narrow"),
        Zone(4.7, 99, "0.1"),
    )
    text = curves_picture(series, "up", "across", 400, 240, zones)
    root = read(text, "bq-curves")
    (shaded,) = (r for r in root.iter(f"{SVG}rect") if r.get("class") == "zone")
    ticks = {t.text: float(t.get("x")) for t in root.iter(f"{SVG}text") if t.get("class") == "tick"}
    left, right = float(shaded.get("x")), float(shaded.get("x")) + float(shaded.get("width"))
    step = (ticks["10"] - ticks["2"]) / 8
    assert right == pytest.approx(ticks["2"] + 2.5 * step, abs=0.3)
    assert left == pytest.approx(ticks["2"] - step, abs=0.3)  # the axis begins at 1
    assert {"epsilon 1", "0.1"} < ticks.keys()
    assert "too narrow" not in ticks
    assert text.index('class="zone"') < text.index('class="grid"') < text.index('class="line of-0"')
