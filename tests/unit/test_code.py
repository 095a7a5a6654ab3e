"""The text of a block code: what is read, what is printed, what is refused and in which words."""

import pytest
from hypothesis import given

from blockqnn.errors import InputError
from blockqnn.space.code import LAYER_LIMIT, Block, CodeError, Layer, Op, parse, terminal
from strategies import STEADY, blocks

CONV_ADD = "(1,1,3,0,0) (2,5,0,0,1) (3,7,0,0,0)"


@STEADY
@given(blocks(max_layers=12))
def test_a_printed_block_is_read_back(block):
    assert parse(str(block)) == block
    assert str(parse(str(block))) == str(block)


def test_layers_are_the_five_numbers_of_the_code():
    assert parse(CONV_ADD).layers == (Layer(1, Op.CONV, 3, 0, 0), Layer(2, Op.ADD, 0, 0, 1))


@pytest.mark.parametrize(
    "typed",
    [
        CONV_ADD,
        "(1,1,3,0,0) (2,5,0,0,1)",
        "(1,1,3,0,0)(2,5,0,0,1)",
        "(1,1,3,0,0), (2,5,0,0,1), (3,7,0,0,0)",
        "[(1,1,3,0,0), (2,5,0,0,1), (3,7,0,0,0)]",
        "((1,1,3,0,0), (2,5,0,0,1))",
        "[[1,1,3,0,0],[2,5,0,0,1]]",
        "[1,1,3,0,0] [2,5,0,0,1]",
        "  ( 1, 1 ,3,0,0 )\n\t(2,5,0,0,1)\n",
        "(01,1,3,0,0) (2,5,00,0,001)",
    ],
)
def test_spellings_of_one_block(typed):
    assert str(parse(typed)) == CONV_ADD


def test_operands_may_be_typed_in_any_order_and_keep_it():
    block = parse("(1,1,3,0,0) (2,6,0,1,0)")
    assert block.layers[1].preds == (1, 0)
    assert str(block) == "(1,1,3,0,0) (2,6,0,1,0) (3,7,0,0,0)"


def test_pred2_is_read_only_by_layers_with_two_operands():
    conv, add = parse("(1,1,3,0,0) (2,5,0,1,0)").layers
    assert (conv.preds, add.preds, terminal(3).preds) == ((0,), (1, 0), ())


def test_leaves_are_the_layers_that_nobody_reads():
    assert parse("(1,1,1,0,0) (2,1,3,1,0) (3,2,3,1,0) (4,5,0,0,2)").leaves == (3, 4)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", ("no layer found", "(1,1,3,0,0)")),
        (" , ", ("no layer found",)),
        ("resnet", ("cannot read", "resnet")),
        ("1,1,3,0,0", ("cannot read", "1,1,3,0,0")),
        ("(1,1,3,0,0) x", ("cannot read 'x'",)),
        ("(1,1,3,0,0", ("cannot read", "(1,1,3,0,0")),
        ("[(1,1,3,0,0)", ("cannot read '['",)),
        ("{(1,1,3,0,0)}", ("cannot read '{}'",)),
        ("()", ("five whole numbers",)),
        ("[]", ("five whole numbers",)),
        ("(1,1,3,0)", ("five whole numbers", "1,1,3,0")),
        ("(1,1,3,0,0,0)", ("five whole numbers", "1,1,3,0,0,0")),
        ("(1,1,3,0,0,)", ("five whole numbers",)),
        ("(1,1,3,0,-1)", ("five whole numbers", "-1")),
        ("(1,1,3.0,0,0)", ("five whole numbers", "3.0")),
        ("(1,conv,3,0,0)", ("five whole numbers", "conv")),
        ("(1,1,3,0,٣)", ("five whole numbers", "٣")),
        ("(1,1,3,0,²)", ("five whole numbers", "²")),
        ("(1,1,3,0,10000)", ("five whole numbers", "10000")),
        ("(1,0,0,0,0)", ("type 0 is unknown", "1 conv", "7 terminal")),
        ("(1,8,0,0,0)", ("type 8 is unknown", "1 conv", "7 terminal")),
        ("(0,1,3,0,0)", ("(0,1,3,0,0)", "index must be 1")),
        ("(1,1,3,0,0) (3,1,3,0,0)", ("(3,1,3,0,0)", "index must be 2")),
        ("(1,1,3,0,0) (1,1,3,0,0)", ("(1,1,3,0,0)", "index must be 2")),
        ("(1,1,2,0,0)", ("conv allows kernel 1 or 3 or 5", "not 2")),
        ("(1,2,5,0,0)", ("max pool allows kernel 1 or 3", "not 5")),
        ("(1,3,0,0,0)", ("avg pool allows kernel 1 or 3", "not 0")),
        ("(1,4,1,0,0)", ("identity allows kernel 0", "not 1")),
        ("(1,1,3,0,0) (2,5,3,0,1)", ("add allows kernel 0", "not 3")),
        ("(1,1,3,1,0)", ("(1,1,3,1,0)", "predecessors must lie in 0..0")),
        ("(1,1,3,0,0) (2,6,0,0,2)", ("(2,6,0,0,2)", "predecessors must lie in 0..1")),
        ("(1,1,3,0,0) (2,5,0,9999,0)", ("(2,5,0,9999,0)", "predecessors must lie in 0..1")),
        ("(1,1,3,0,0) (2,1,3,0,1)", ("conv has one predecessor", "pred2 must be 0, not 1")),
        ("(1,5,0,0,0)", ("add needs two different predecessors", "not 0 twice")),
        ("(1,1,3,0,0) (2,6,0,1,1)", ("concat needs two different predecessors", "not 1 twice")),
        ("(1,7,0,0,0)", ("the block is empty",)),
        ("(1,1,3,0,0) (3,7,0,0,0)", ("terminal layer (3,7,0,0,0)", "must be (2,7,0,0,0)")),
        ("(1,1,3,0,0) (2,7,0,1,0)", ("terminal layer (2,7,0,1,0)", "must be (2,7,0,0,0)")),
        ("(1,7,0,0,0) (2,1,3,0,0)", ("(1,7,0,0,0)", "only the last layer")),
        ("(1,1,3,0,0) (2,7,0,0,0) (3,7,0,0,0)", ("(2,7,0,0,0)", "only the last layer")),
    ],
)
def test_a_broken_code_is_refused_with_the_rule_and_the_value(typed, words):
    with pytest.raises(CodeError) as refusal:
        parse(typed)
    message = str(refusal.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message


def test_a_refused_code_is_the_users_mistake():
    assert issubclass(CodeError, InputError)


def test_an_illegal_block_cannot_be_made():
    with pytest.raises(CodeError, match="the block is empty"):
        Block(())
    with pytest.raises(CodeError, match="two different predecessors"):
        Block((Layer(1, Op.ADD, 0, 0, 0),))
    with pytest.raises(CodeError, match="only the last layer"):
        Block((terminal(1),))


def chain(length: int) -> str:
    return " ".join(f"({i},1,1,{i - 1},0)" for i in range(1, length + 1))


def test_the_longest_block():
    assert len(parse(chain(LAYER_LIMIT)).layers) == LAYER_LIMIT
    with pytest.raises(CodeError, match=f"{LAYER_LIMIT + 1} layers: at most {LAYER_LIMIT}"):
        parse(chain(LAYER_LIMIT + 1))


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "typed",
    [
        "(1,1,3,0,0) " * 10_000_000,
        "(1,1,3,0,0)" * 900,
        "(" * 10_000,
        "[" * 5_000 + "]" * 5_000,
        "(1,1,3,0," + "9" * 10_000 + ")",
        "(1,1,3,0,0" + "0" * 100_000_000 + ")",
        "(1,1,3,0,0) (" + " " * 9_000 + "2",
    ],
    ids=[
        "many layers",
        "equal layers",
        "open brackets",
        "nested",
        "long number",
        "huge number",
        "blanks",
    ],
)
def test_huge_text_is_refused_at_once_in_a_short_line(typed):
    with pytest.raises(CodeError) as refusal:
        parse(typed)
    assert len(str(refusal.value)) < 250


def test_an_unknown_type_is_told_in_one_line():
    with pytest.raises(CodeError) as refusal:
        parse("(1,\n8,0,0,0)")
    assert "\n" not in str(refusal.value)
