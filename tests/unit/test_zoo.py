"""The named blocks have the sizes, densities and depths that the paper gives for its networks."""

from fractions import Fraction

import pytest

from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS, STEM_KERNEL, Image, plan_network
from blockqnn.report.target import find
from blockqnn.space.code import Op, op_name, parse
from blockqnn.space.graph import density, graph
from blockqnn.space.zoo import ZOO

CIFAR = Image(3, 32, 32)
IMAGENET = Image(3, 224, 224)


@pytest.mark.parametrize(
    ("name", "printed"),  # fig. 2
    [
        (
            "inception-like",
            "(1,4,0,0,0) (2,1,1,1,0) (3,1,3,2,0) (4,1,1,1,0) (5,1,5,4,0) (6,6,0,3,5) (7,2,3,1,0)"
            " (8,1,1,7,0) (9,6,0,6,8) (10,7,0,0,0)",
        ),
        ("resnet-like", "(1,4,0,0,0) (2,1,3,1,0) (3,1,3,2,0) (4,5,0,1,3) (5,7,0,0,0)"),
    ],
)
def test_exemplars_are_those_of_the_paper(name, printed):
    assert str(ZOO[name]) == printed


@pytest.mark.parametrize(
    ("name", "operations", "leaves", "edges", "nodes"),  # input and final concat counted
    [
        ("block-qnn-a", 12, (3, 4, 7, 10, 12), 18, 14),
        ("block-qnn-b", 9, (1, 4, 6, 8, 9), 16, 11),
        ("block-qnn-s", 13, (3, 7, 8, 11, 12, 13), 21, 15),
        ("inception-like", 9, (9,), 11, 10),
        ("resnet-like", 4, (4,), 5, 5),
    ],
)
def test_shape_of_the_named_blocks(name, operations, leaves, edges, nodes):
    block = ZOO[name]
    assert len(block.layers) == operations
    assert block.leaves == leaves
    assert density(graph(block)) == float(Fraction(edges, nodes))


@pytest.mark.parametrize(
    ("name", "boxes"),  # fig. 8, type and kernel of what is drawn
    [
        ("block-qnn-a", "conv1 conv1 conv3 conv3 conv3 conv5 conv5 max1 max1 max3 avg3 add0"),
        ("block-qnn-b", "conv1 conv3 conv3 conv3 conv5 conv5 avg3 add0 concat0"),
        ("block-qnn-s", "conv1 conv1 conv1 conv3 conv3 conv3 conv3 conv3 conv5 max3 max3 add0 add0"),
    ],
)
def test_layers_of_the_discovered_blocks(name, boxes):
    layers = [f"{op_name(layer.op).split()[0]}{layer.kernel}" for layer in ZOO[name].layers]
    assert sorted(layers) == sorted(boxes.split())


@pytest.mark.parametrize(
    ("name", "skeleton", "repeats", "image", "depth"),  # table 3 and section 5.3
    [
        ("block-qnn-a", "cifar", 4, CIFAR, 25),
        ("block-qnn-b", "cifar", 4, CIFAR, 37),
        ("block-qnn-s", "cifar", 2, CIFAR, 19),
        ("block-qnn-b", "imagenet", 3, IMAGENET, 38),
        ("block-qnn-s", "imagenet", 3, IMAGENET, 38),
    ],
)
def test_depths_of_the_paper(name, skeleton, repeats, image, depth):
    plan = plan_network(ZOO[name], SKELETONS[skeleton].with_repeats((repeats,)), image, 10)
    assert plan.depth == depth


def test_parameters_of_block_qnn_s_two_blocks_a_stage():
    plan = plan_network(ZOO["block-qnn-s"], SKELETONS["cifar"].with_repeats((2,)), CIFAR, 10)
    nodes = [node for stage in plan.stages for block in stage for node in block.nodes]
    stem = [
        (STEM_KERNEL, layer.in_channels, layer.channels) for layer in plan.stem if layer.op == "conv"
    ]
    cells = [(node.kernel, node.in_channels[0], node.channels) for node in nodes if node.op is Op.CONV]
    projections = [
        (1, node.in_channels[node.projected], node.channels)
        for node in nodes
        if node.projected is not None
    ]
    assert projections == []  # S never adds different channel numbers
    convolutions = stem + cells + projections
    assert sum(kernel**2 * before * after for kernel, before, after in convolutions) == 6_110_048
    assert sum(2 * after for _, _, after in convolutions) == 8_128  # BN: scale and shift
    assert (plan.features + 1) * plan.classes == 7_690
    assert plan.params == 6_125_866


@pytest.mark.parametrize("name", ["block-qnn-s", "Block-QNN-S", "BLOCK-QNN-S", "  block-qnn-s\n"])
def test_a_name_is_found_in_any_case(name):
    assert find(name).block is ZOO["block-qnn-s"]


def test_what_is_no_name_is_read_as_a_code():
    assert find("[(1,1,3,0,0)]").block == parse("(1,1,3,0,0)")
    with pytest.raises(InputError, match=r"block-qnn-x.*inception-like, resnet-like"):
        find("block-qnn-x")
