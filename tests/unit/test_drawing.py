"""Drawings, read back twice: the words give the block, the rails alone give its graph."""

import re

import pytest

from blockqnn.report import drawing
from blockqnn.report.drawing import draw
from blockqnn.space.code import LAYER_LIMIT, Block, Layer, Op, parse
from blockqnn.space.zoo import ZOO
from walks import uniform_walk

RESNET_LIKE = """\
○     0  input
●     1  identity  from input
├─●   2  conv 3x3  from 1
│ ●   3  conv 3x3  from 2
●─╯   4  add       from 1 + 3  → output
◎        output = 4"""

TWO_BRANCHES = "(1,1,1,0,0) (2,1,3,1,0) (3,1,5,0,0) (4,2,3,3,0) (5,6,0,4,2) (6,3,1,2,0)"
TWO_BRANCHES_DRAWN = """\
○     0  input
├─●   1  conv 1x1      from input
│ ●   2  conv 3x3      from 1
● │   3  conv 5x5      from input
● │   4  max pool 3x3  from 3
●─┤   5  concat        from 4, 2   → output
┊ ●   6  avg pool 1x1  from 2      → output
◎─╯      output = concat of 5, 6"""


def test_golden() -> None:
    assert draw(ZOO["resnet-like"]) == RESNET_LIKE
    assert draw(parse(TWO_BRANCHES)) == TWO_BRANCHES_DRAWN


def test_the_docstring_shows_a_real_drawing() -> None:
    shown = [line[4:] for line in str(drawing.__doc__).splitlines() if line.startswith("    ")]
    assert "\n".join(shown) == RESNET_LIKE


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("(1,1,5,0,0)", "1  conv 5x5  from input  → output"),
        ("(1,2,3,0,0)", "1  max pool 3x3  from input  → output"),
        ("(1,3,1,0,0)", "1  avg pool 1x1  from input  → output"),
        ("(1,4,0,0,0)", "1  identity  from input  → output"),
        ("(1,4,0,0,0) (2,5,0,1,0)", "2  add       from 1 + input  → output"),
        ("(1,4,0,0,0) (2,6,0,0,1)", "2  concat    from input, 1  → output"),
    ],
)
def test_words_of_each_type(code: str, row: str) -> None:
    assert split(draw(parse(code)).splitlines()[-2])[1] == row


# Every block drawn: the zoo and uniform walks of up to 1, 2, ..., 23 layers.


BLOCKS = [*ZOO.values(), *(uniform_walk(seed, 1 + seed % 23) for seed in range(230))]
each_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{len(block.layers)}-layers")


def split(line: str) -> tuple[str, str]:
    """A row's picture, without the blanks after it, and its words."""
    picture = re.match("[○●◎│┊├┤┼╰╯┴─ ]*", line)
    assert picture
    return picture[0].rstrip(), line[picture.end() :]


def cells(line: str) -> dict[int, str]:
    """The sign of each rail that has one in this row, lines that only pass by left out."""
    return {rail: sign for rail, sign in enumerate(split(line)[0][::2]) if sign not in " ─"}


def alive(block: Block, row: int) -> set[int]:
    """The tensors made before this row that it or a later row reads."""
    readers = [*(layer.preds for layer in block.layers), block.leaves]  # of rows 1, 2, ...
    return {p for preds in readers[max(row - 1, 0) :] for p in preds if p < row}


@each_block
def test_one_row_a_layer_and_no_trailing_spaces(block: Block) -> None:
    lines = draw(block).split("\n")
    assert len(lines) == 1 + len(block.layers) + 1
    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines)) <= 110
    signs = [[sign for sign in cells(line).values() if sign in "○●◎"] for line in lines]
    assert signs == [["○"], *(["●"] for _ in block.layers), ["◎"]]


@each_block
def test_the_words_give_the_block(block: Block) -> None:
    first, *rows, last = (split(line)[1] for line in draw(block).splitlines())
    assert first == "0  input"
    assert Block(tuple(layer_of(row) for row in rows)) == block
    assert tuple(layer_of(row).index for row in rows if row.endswith("  → output")) == block.leaves
    leaves = ", ".join(map(str, block.leaves))
    assert last == (f"output = concat of {leaves}" if len(block.leaves) > 1 else f"output = {leaves}")


def layer_of(words: str) -> Layer:
    row = re.fullmatch(r"(\d+)  ([a-z ]+?)(?: (\d)x\3)? +from (.+?)(?: +→ output)?", words)
    assert row
    op = Op[row[2].upper().replace(" ", "_")]
    preds = [0 if p == "input" else int(p) for p in row[4].split(" + " if op is Op.ADD else ", ")]
    return Layer(int(row[1]), op, int(row[3] or 0), preds[0], (*preds, 0)[1])


@each_block
def test_the_rails_are_the_tensors_alive_and_the_joints_what_a_row_reads(block: Block) -> None:
    reads = [(), *(layer.preds for layer in block.layers), block.leaves]
    carried: dict[int, int] = {}  # rail -> the tensor on it above the row
    for row, line in enumerate(draw(block).splitlines()):
        signs = cells(line)
        (node,) = (rail for rail, sign in signs.items() if sign in "○●◎")
        above = {rail for rail, sign in signs.items() if sign in "│┊├┤┼╰╯┴"} | ({node} & carried.keys())
        assert {carried[rail] for rail in above} == alive(block, row)
        assert above == carried.keys(), "a rail ends where it is joined, not in the air"

        joined = {rail for rail, sign in signs.items() if sign in "├┤┼╰╯┴"} | ({node} & carried.keys())
        assert {carried[rail] for rail in joined} == set(reads[row])
        assert horizontals(split(line)[0]) == between({node, *joined})

        dotted = {carried[rail] for rail, sign in signs.items() if sign == "┊"}
        passing = {carried[rail] for rail, sign in signs.items() if sign == "│"}
        assert dotted <= set(block.leaves)
        assert not passing & set(block.leaves)

        carried = {rail: t for rail, t in carried.items() if signs[rail] in "│┊├┤┼"} | {node: row}


def horizontals(picture: str) -> set[int]:
    """The gaps between rails that a line crosses; gap i is to the right of rail i."""
    return {gap for gap, sign in enumerate(picture[1::2]) if sign == "─"}


def between(rails: set[int]) -> set[int]:
    return set(range(min(rails), max(rails)))


@each_block
def test_as_few_rails_as_tensors_alive_at_a_time(block: Block) -> None:
    width = max(1 + max(cells(line)) for line in draw(block).splitlines())
    after_each_row = range(1, len(block.layers) + 2)
    assert width == max(len(alive(block, row)) for row in after_each_row)


def chain(length: int) -> Block:
    return Block(tuple(Layer(i, Op.CONV, 3, i - 1, 0) for i in range(1, length + 1)))


def test_a_chain_is_one_column() -> None:
    assert all(list(cells(line)) == [0] for line in draw(chain(23)).splitlines())


def test_the_longest_block_is_drawn() -> None:
    fan = Block(tuple(Layer(i, Op.CONV, 1, 0, 0) for i in range(1, LAYER_LIMIT + 1)))
    for block in (chain(LAYER_LIMIT), fan):
        assert len(draw(block).splitlines()) == LAYER_LIMIT + 2
