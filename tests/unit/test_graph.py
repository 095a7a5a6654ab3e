"""The block as a graph: what its no-ops are, its density and depth, and when two keys are equal."""

import pytest
from hypothesis import given

from blockqnn.space.code import Op, parse
from blockqnn.space.graph import Graph, Node, canonical_key, density, depth, graph, simplified
from blockqnn.space.zoo import ZOO
from strategies import STEADY, blocks

CONV1, CONV3 = Node(Op.CONV, 1, (0,)), Node(Op.CONV, 3, (0,))


def key(text: str) -> str:
    return canonical_key(parse(text))


# Simplification


@pytest.mark.parametrize(
    ("code", "nodes", "output"),
    [
        ("(1,1,3,0,0)", (CONV3,), (1,)),
        ("(1,4,0,0,0)", (), (0,)),
        ("(1,4,0,0,0) (2,1,3,1,0)", (CONV3,), (1,)),  # before the first layer
        ("(1,1,3,0,0) (2,4,0,1,0)", (CONV3,), (1,)),  # a leaf
        ("(1,4,0,0,0) (2,4,0,1,0) (3,4,0,2,0)", (), (0,)),  # a chain
        ("(1,2,1,0,0) (2,3,1,1,0)", (), (0,)),  # poolings of kernel 1
        ("(1,2,3,0,0)", (Node(Op.MAX_POOL, 3, (0,)),), (1,)),  # a real pooling stays
        ("(1,1,1,0,0)", (CONV1,), (1,)),  # a convolution of kernel 1 stays
        ("(1,1,3,0,0) (2,4,0,1,0) (3,1,1,0,0)", (CONV3, CONV1), (1, 2)),  # the leaf before the other
        ("(1,1,3,0,0) (2,4,0,1,0) (3,4,0,1,0)", (CONV3,), (1, 1)),  # the same leaf twice
        ("(1,1,3,0,0) (2,4,0,1,0) (3,5,0,1,2)", (CONV3, Node(Op.ADD, 0, (1, 1))), (2,)),
        ("(1,1,3,0,0) (2,4,0,1,0) (3,6,0,2,0)", (CONV3, Node(Op.CONCAT, 0, (1, 0))), (2,)),
    ],
)
def test_no_ops_become_edges(code, nodes, output):
    assert simplified(parse(code)) == Graph(nodes, output)


def test_the_graph_of_a_block_is_as_written():
    written = graph(parse("(1,4,0,0,0) (2,1,3,1,0) (3,2,1,1,0)"))
    conv, pool = Node(Op.CONV, 3, (1,)), Node(Op.MAX_POOL, 1, (1,))
    assert written == Graph((Node(Op.IDENTITY, 0, (0,)), conv, pool), (2, 3))


# Density and depth


@pytest.mark.parametrize(
    ("code", "raw", "simple"),
    [
        ("(1,4,0,0,0)", 1 / 2, 0.5),
        ("(1,1,3,0,0)", 1 / 2, 1 / 2),
        ("(1,1,3,0,0) (2,1,3,1,0) (3,1,3,2,0)", 3 / 4, 3 / 4),  # one leaf: no final concat
        ("(1,1,3,0,0) (2,1,3,0,0)", 4 / 4, 4 / 4),  # 2 edges and 2 to the concat; input, 2, concat
        ("(1,1,3,0,0) (2,5,0,0,1)", 3 / 3, 3 / 3),
        ("(1,4,0,0,0) (2,1,3,1,0)", 2 / 3, 1 / 2),  # a spare Identity earns nothing
        ("(1,1,3,0,0) (2,4,0,1,0) (3,6,0,1,2)", 4 / 4, 3 / 3),  # Concat(x, x): two edges
    ],
)
def test_density_by_hand(code, raw, simple):
    assert density(graph(parse(code))) == raw
    assert density(simplified(parse(code))) == simple


@STEADY
@given(blocks(max_layers=23))
def test_bounds_of_the_density(block):
    assert 0.5 <= density(graph(block)) < 3
    assert 0.5 <= density(simplified(block)) < 3


@pytest.mark.parametrize("count", [2, 11, 23])
def test_leaf_identities_of_one_layer_are_one_edge(count):
    block = parse(" ".join(f"({i},4,0,0,0)" for i in range(1, count + 1)))
    assert density(simplified(block)) == 1 / 2  # input and concat, one edge between them


@pytest.mark.parametrize(
    ("code", "convolutions"),
    [
        ("(1,4,0,0,0)", 0),
        ("(1,2,3,0,0) (2,3,3,1,0)", 0),
        ("(1,1,1,0,0)", 1),
        ("(1,1,1,0,0) (2,2,3,1,0) (3,1,5,2,0)", 2),  # poolings between do not count
        ("(1,1,1,0,0) (2,1,3,1,0) (3,5,0,0,2)", 2),  # the longer operand
        ("(1,1,1,0,0) (2,1,3,1,0) (3,1,3,2,0) (4,1,1,0,0)", 3),  # the longer leaf
        ("(1,1,1,0,0) (2,1,3,0,0) (3,6,0,1,2) (4,1,1,3,0)", 2),
    ],
)
def test_depth_by_hand(code, convolutions):
    assert depth(graph(parse(code))) == convolutions
    assert depth(simplified(parse(code))) == convolutions


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [
        ("block-qnn-a", 2),
        ("block-qnn-b", 3),
        ("block-qnn-s", 3),
        ("inception-like", 2),
        ("resnet-like", 2),
    ],
)
def test_depth_of_the_named_blocks(name, convolutions):
    assert depth(graph(ZOO[name])) == convolutions


# The canonical key: one test for each known trap


def test_two_equal_convolutions_are_not_one_used_twice():
    two = "(1,1,3,0,0) (2,1,3,0,0) (3,5,0,1,2)"
    one = "(1,1,3,0,0) (2,4,0,1,0) (3,5,0,1,2)"
    assert key(two) != key(one)


def test_two_equal_convolutions_at_the_output_are_not_one_twice():
    assert key("(1,1,3,0,0) (2,1,3,0,0)") != key("(1,1,3,0,0) (2,4,0,1,0) (3,4,0,1,0)")


ABCD = "(1,1,1,0,0) (2,1,3,0,0) (3,1,5,0,0) (4,2,3,0,0)"  # four layers that can be told apart


def test_order_within_a_concat_matters_under_an_add():
    ab_cd = f"{ABCD} (5,6,0,1,2) (6,6,0,3,4) (7,5,0,5,6)"
    ba_cd = f"{ABCD} (5,6,0,2,1) (6,6,0,3,4) (7,5,0,5,6)"
    cd_ab = f"{ABCD} (5,6,0,3,4) (6,6,0,1,2) (7,5,0,6,5)"
    assert key(ab_cd) != key(ba_cd)
    assert key(ab_cd) == key(cd_ab)


def test_order_within_a_concat_matters_under_an_add_of_equal_layers():
    pairs = "(1,1,1,0,0) (2,1,3,0,0) (3,1,1,0,0) (4,1,3,0,0)"
    straight = f"{pairs} (5,6,0,1,2) (6,6,0,3,4) (7,5,0,5,6)"
    crossed = f"{pairs} (5,6,0,2,1) (6,6,0,3,4) (7,5,0,5,6)"
    assert key(straight) != key(crossed)


@pytest.mark.parametrize("between", ["(6,2,3,5,0)", "(6,6,0,5,3)"], ids=["pooling", "concat"])
def test_order_within_a_concat_reaches_an_add_through_what_keeps_channels(between):
    ab, ba = (f"{ABCD} (5,6,0,{p}) {between} (7,5,0,4,6)" for p in ("1,2", "2,1"))
    assert key(ab) != key(ba)


def test_order_within_a_concat_is_free_under_a_convolution():
    ab, ba = (f"(1,1,1,0,0) (2,1,3,0,0) (3,6,0,{p}) (4,1,5,3,0)" for p in ("1,2", "2,1"))
    assert key(ab) == key(ba)


def test_a_convolution_ends_the_reach_of_an_add():
    ab, ba = (f"(1,1,1,0,0) (2,1,3,0,0) (3,6,0,{p}) (4,1,5,3,0) (5,5,0,1,4)" for p in ("1,2", "2,1"))
    assert key(ab) == key(ba)


def test_operands_of_an_add_are_unordered():
    assert key("(1,1,3,0,0) (2,1,5,0,0) (3,5,0,1,2)") == key("(1,1,3,0,0) (2,1,5,0,0) (3,5,0,2,1)")


def test_a_leaf_identity_is_an_edge_to_the_output():
    leaf = key("(1,1,3,0,0) (2,1,1,1,0) (3,4,0,1,0)")  # layer 1 is read and is an operand of the output
    assert leaf != key("(1,1,3,0,0) (2,1,1,1,0)")
    assert leaf == key("(1,1,3,0,0) (2,4,0,1,0) (3,1,1,1,0)")
    assert leaf != key("(1,1,3,0,0) (2,1,1,1,0) (3,4,0,0,0)")


def test_a_leaf_identity_of_a_single_path_changes_nothing():
    assert key("(1,1,3,0,0) (2,4,0,1,0)") == key("(1,1,3,0,0)")


@pytest.mark.parametrize(
    "other",
    [
        "(1,1,3,0,0) (2,1,1,1,0)",  # x once
        "(1,1,3,0,0) (2,4,0,1,0) (3,6,0,1,2) (4,4,0,1,0) (5,6,0,3,4) (6,1,1,5,0)",  # x three times
        "(1,1,3,0,0) (2,1,3,0,0) (3,6,0,1,2) (4,1,1,3,0)",  # x and its twin
    ],
)
def test_concat_counts_its_operands(other):
    x_twice = "(1,1,3,0,0) (2,4,0,1,0) (3,6,0,1,2) (4,1,1,3,0)"
    assert key(x_twice) != key(other)


def test_the_output_counts_its_operands():
    twice = "(1,1,3,0,0) (2,4,0,1,0) (3,4,0,1,0)"
    thrice = f"{twice} (4,4,0,1,0)"
    assert len({key("(1,1,3,0,0)"), key(twice), key(thrice)}) == 3


@pytest.mark.parametrize("no_op", ["4,0", "2,1", "3,1"])
def test_a_pooling_of_kernel_one_is_an_identity(no_op):
    assert key(f"(1,1,3,0,0) (2,{no_op},1,0) (3,1,1,2,0)") == key("(1,1,3,0,0) (2,1,1,1,0)")


def test_poolings_of_kernel_three_are_told_apart():
    assert len({key("(1,2,3,0,0)"), key("(1,3,3,0,0)"), key("(1,4,0,0,0)")}) == 3


@pytest.mark.parametrize(
    ("one", "other"),  # the same leaves in another order
    [
        ("(1,1,1,0,0) (2,1,3,0,0) (3,5,0,0,2)", "(1,1,3,0,0) (2,5,0,0,1) (3,1,1,0,0)"),
        (
            "(1,1,1,0,0) (2,1,3,0,0) (3,3,3,0,0) (4,5,0,2,3)",  # the input by way of a pooling
            "(1,1,3,0,0) (2,3,3,0,0) (3,5,0,1,2) (4,1,1,0,0)",
        ),
        (
            "(1,1,1,0,0) (2,1,3,0,0) (3,6,0,0,2) (4,1,5,0,0) (5,5,0,3,4)",  # by way of a Concat
            "(1,1,3,0,0) (2,6,0,0,1) (3,1,5,0,0) (4,5,0,2,3) (5,1,1,0,0)",
        ),
    ],
)
def test_order_of_the_output_matters_where_the_next_blocks_input_reaches_an_add(one, other):
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(1,1,1,0,0) (2,1,3,0,0)", "(1,1,3,0,0) (2,1,1,0,0)"),
        ("(1,1,1,0,0) (2,2,3,0,0)", "(1,2,3,0,0) (2,1,1,0,0)"),  # the input reaches the output only
        (
            "(1,1,1,0,0) (2,1,3,0,0) (3,1,5,0,0) (4,5,0,2,3)",  # an Add, but of convolutions
            "(1,1,3,0,0) (2,1,5,0,0) (3,5,0,1,2) (4,1,1,0,0)",
        ),
    ],
)
def test_order_of_the_output_is_free_elsewhere(one, other):
    assert key(one) == key(other)


def test_leaves_of_twins_in_another_order():
    # two twins, each with a conv1 and a conv5 as leaves; the order of the output is free
    one, other = (
        f"(1,1,3,0,0) (2,1,3,0,0) (3,1,1,1,0) (4,1,1,2,0) (5,1,5,{p},0) (6,1,5,{q},0)"
        for p, q in ((1, 2), (2, 1))
    )
    assert key(one) == key(other)


def test_free_concats_of_twins_in_another_order():
    # two conv3 paired with two conv5, each pair under a convolution of its own
    twins = "(1,1,3,0,0) (2,1,3,0,0) (3,1,5,0,0) (4,1,5,0,0)"
    one, other = (f"{twins} (5,6,0,1,3) (6,6,0,{p}) (7,1,1,5,0) (8,1,1,6,0)" for p in ("2,4", "4,2"))
    assert key(one) == key(other)


def test_order_of_an_inner_concat_matters_by_way_of_the_next_block():
    # the Concat is a leaf; its channels meet the Add only as the next block's input
    ab, ba = (f"(1,1,1,0,0) (2,1,3,0,0) (3,6,0,{p}) (4,1,5,0,0) (5,5,0,0,4)" for p in ("1,2", "2,1"))
    assert key(ab) != key(ba)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_the_named_blocks_have_keys_of_their_own(name):
    assert [other for other in ZOO if canonical_key(ZOO[other]) == canonical_key(ZOO[name])] == [name]
