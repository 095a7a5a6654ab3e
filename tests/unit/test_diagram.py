"""Pictures of blocks, read back from the SVG: what is there, and that nothing lies on anything."""

import re
from functools import cache
from itertools import combinations, pairwise, permutations, product
from math import factorial, prod
from xml.etree import ElementTree

import pytest

from blockqnn.diagram.figure import Arrow, Box, Figure
from blockqnn.diagram.rows import arranged, crossings
from blockqnn.diagram.svg import picture
from blockqnn.space.code import LAYER_LIMIT, Block, Layer, Op, figure, layer_name, parse
from blockqnn.space.operation import OwnOp
from blockqnn.space.zoo import ZOO
from rectangles import SVG, inside, overlap, text_rectangle, whole
from walks import uniform_walk

NUMBER = r"-?\d+(?:\.\d+)?"


BLOCKS = [*ZOO.values(), *(uniform_walk(seed, 23 - seed // 2 % 23) for seed in range(50))]
each_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{len(block.layers)}-layers")


def rectangle(node):
    """Left, top, right, bottom."""
    x, y, width, height = (float(node.find(f"{SVG}rect").get(k)) for k in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def label_rectangle(text):
    return text_rectangle(text, 10 if text.get("class") == "number" else 13)


def points(path):
    """Places along a path of M, C and V, some pixels apart."""
    x = y = 0.0
    for command, text in re.findall(r"([MCV])([^MCV]*)", path):
        n = [float(v) for v in re.findall(NUMBER, text)]
        steps = [i / 40 for i in range(41)]
        if command == "M":
            x, y = n
        elif command == "V":
            yield from ((x, y + t * (n[0] - y)) for t in steps)
            y = n[0]
        else:
            ends = [(x, y), (n[0], n[1]), (n[2], n[3]), (n[4], n[5])]
            for t in steps:
                w = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                yield tuple(sum(a * e[k] for a, e in zip(w, ends, strict=True)) for k in (0, 1))
            x, y = n[4], n[5]


@cache
def drawn(block):
    return ElementTree.fromstring(block._repr_svg_())


def nodes_of(root):
    return {int(g.get("data-box")): g for g in root.iter(f"{SVG}g") if g.get("class") == "node"}


def arrows_of(root):
    return [g for g in root.iter(f"{SVG}g") if g.get("class") == "arrow"]


@each_block
def test_every_layer_and_every_edge_once(block):
    root = drawn(block)
    output = len(block.layers) + 1
    nodes = nodes_of(root)
    assert sorted(nodes) == list(range(output + 1))
    texts = {i: [t.text for t in node.iter(f"{SVG}text")] for i, node in nodes.items()}
    assert texts[0] == ["input"]
    assert texts[output] == ["output = concat" if len(block.leaves) > 1 else "output"]
    assert all(texts[x.index] == [str(x.index), layer_name(x)] for x in block.layers)
    dashed = {
        (int(g.get("data-from")), int(g.get("data-to"))): "dashed" in g.find(f"{SVG}path").get("class")
        for g in arrows_of(root)
    }
    edges = [(p, x.index) for x in block.layers for p in x.preds]
    leaves = [(leaf, output) for leaf in block.leaves]
    assert len(arrows_of(root)) == len(dashed)
    assert dashed == dict.fromkeys(edges, False) | dict.fromkeys(leaves, True)


@each_block
def test_no_label_and_no_box_lies_on_another(block):
    root = drawn(block)
    page = whole(root)
    nodes = nodes_of(root).values()
    assert not [1 for a, b in combinations(map(rectangle, nodes), 2) if overlap(a, b)]
    for node in nodes:
        labels = [label_rectangle(text) for text in node.iter(f"{SVG}text")]
        assert all(inside(label, rectangle(node)) for label in labels)
        assert not [1 for a, b in combinations(labels, 2) if overlap(a, b)]
        assert inside(rectangle(node), page)


@each_block
def test_arrows_go_down_from_box_to_box_beside_all_others(block):
    root = drawn(block)
    boxes = {i: rectangle(node) for i, node in nodes_of(root).items()}
    ways = {
        (int(arrow.get("data-from")), int(arrow.get("data-to"))): list(
            points(arrow.find(f"{SVG}path").get("d"))
        )
        for arrow in arrows_of(root)
    }
    for (tail, head), way in ways.items():
        assert all(b[1] >= a[1] for a, b in pairwise(way))
        left, _, right, bottom = boxes[tail]
        below_tail = way[0] == (pytest.approx((left + right) / 2, abs=0.2), bottom)
        trunks = [other for (t, h), other in ways.items() if t == tail and h != head]
        assert below_tail or any(way[0] in trunk for trunk in trunks)
        left, top, right, _ = boxes[head]
        assert left < way[-1][0] < right
        assert way[-1][1] == pytest.approx(top - 4)
        for other in boxes.keys() - {tail, head}:
            left, top, right, bottom = boxes[other]
            assert not [1 for x, y in way if left - 4 < x < right + 4 and top < y < bottom]


@each_block
def test_tips_of_one_box_lie_apart(block):
    tips = {}
    for arrow in arrows_of(drawn(block)):
        *_, (x, _) = points(arrow.find(f"{SVG}path").get("d"))
        tips.setdefault(arrow.get("data-to"), []).append(x)
    assert all(b - a > 13 for xs in tips.values() for a, b in pairwise(sorted(xs)))


def by_number(block):
    """Crossings with the boxes of each row, and the bends after them, in order of their numbers."""
    shown = figure(block)
    rows = arranged(len(shown.boxes), shown.arrows)
    return crossings(tuple(tuple(sorted(row)) for row in rows.order), rows.below)


@cache
def found(block):
    shown = figure(block)
    rows = arranged(len(shown.boxes), shown.arrows)
    return crossings(rows.order, rows.below)


@each_block
def test_sorting_the_rows_never_adds_crossings(block):
    assert found(block) <= by_number(block)


def test_named_blocks_have_no_avoidable_crossing():
    """Of B: layers 2 and 3 both go to 4 and 5, in rows 2, 3 and 4, so one crossing must be."""
    counts = {name: found(block) for name, block in ZOO.items()}
    assert counts == dict.fromkeys(ZOO, 0) | {"block-qnn-b": 1}


SMALL = [uniform_walk(seed, 8) for seed in range(200)]


def best_of_all(block):
    """The least crossings that any order of the rows has; None where there are too many orders."""
    shown = figure(block)
    rows = arranged(len(shown.boxes), shown.arrows)
    if prod(factorial(len(row)) for row in rows.order) > 5000:
        return None
    return min(crossings(order, rows.below) for order in product(*map(permutations, rows.order)))


def test_no_order_of_the_rows_is_better():
    best = [(best_of_all(block), block) for block in SMALL]
    compared = [(least, found(block)) for least, block in best if least is not None]
    assert len(compared) > 80
    assert max(least for least, _ in compared) > 0
    assert all(least == count for least, count in compared)


def test_crossings_counted_by_hand():
    below = ((2, 3), (2, 3), (), ())  # two boxes that both go to two others
    assert crossings(((0, 1), (2, 3)), below) == 1
    assert crossings(((0, 1), (2, 3)), ((3,), (2,), (), ())) == 1
    assert crossings(((0, 1), (2, 3)), ((2,), (3,), (), ())) == 0
    assert crossings(((0, 1), (2, 3)), ((2,), (2,), (), ())) == 0, "lines that meet do not cross"


def chain(length):
    return Block(tuple(Layer(i, Op.CONV, 3, i - 1, 0) for i in range(1, length + 1)))


def test_a_chain_is_one_straight_column():
    for arrow in arrows_of(drawn(chain(23))):
        assert "C" not in arrow.find(f"{SVG}path").get("d")


def test_a_trunk_is_straight():
    """From the input past five layers: one curve out, a vertical, one curve in."""
    block = parse("(1,1,3,0,0) (2,1,3,1,0) (3,1,3,2,0) (4,1,3,3,0) (5,1,3,4,0) (6,5,0,0,5)")
    (arrow,) = (
        g for g in arrows_of(drawn(block)) if (g.get("data-from"), g.get("data-to")) == ("0", "6")
    )
    assert arrow.find(f"{SVG}path").get("d").count("C") == 2


def test_the_longest_blocks_are_drawn():
    fan = Block(tuple(Layer(i, Op.CONV, 1, 0, 0) for i in range(1, LAYER_LIMIT + 1)))
    for block in (chain(LAYER_LIMIT), fan):
        assert len(nodes_of(drawn(block))) == LAYER_LIMIT + 2


@pytest.mark.parametrize("name", ZOO)
def test_the_same_picture_each_time(name):
    assert ZOO[name]._repr_svg_() == parse(str(ZOO[name]))._repr_svg_()


def test_it_says_what_it_is_and_brings_nothing_from_elsewhere():
    text = ZOO["block-qnn-s"]._repr_svg_()
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "Block of 13 layers"
    assert root.find(f"{SVG}desc").text == str(ZOO["block-qnn-s"])
    assert "prefers-color-scheme: dark" in text
    rest = text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|<script|href|url\(|@import|@font-face|\bon\w+=", rest)
    rules = re.findall(r"^(?!@|})(.+) \{", root.find(f"{SVG}style").text, re.MULTILINE)
    selectors = [part for rule in rules for part in rule.split(", ")]
    assert all(s.startswith(".bq") for s in selectors), "the page around it keeps its style"


@pytest.mark.parametrize("name", ["squeeze-excite", '<b onload="x">&amp;', "畳み込み" * 3, "w" * 80])
def test_an_own_operation_is_drawn_by_its_name(name):
    own = OwnOp(8, name, (3,), 1)
    block = Block((Layer(1, Op.CONV, 3, 0, 0), Layer(2, own, 3, 1, 0)))
    node = nodes_of(ElementTree.fromstring(block._repr_svg_()))[2]  # equal blocks: not cached
    label = list(node.iter(f"{SVG}text"))[1]
    assert label.text == f"{name} 3x3"
    assert node.find(f"{SVG}rect").get("class") == "box own"
    assert inside(label_rectangle(label), rectangle(node))


def test_any_figure():
    """Not only blocks: two boxes, one arrow."""
    shown = Figure("two", "a to b", (Box("a", "end"), Box("b", "end")), (Arrow(0, 1),))
    assert len(arrows_of(ElementTree.fromstring(picture(shown)))) == 1
