"""The plan of a network: sizes that can be checked by hand, limits, images too small, skeletons."""

import statistics
import time
from itertools import islice

import pytest

from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS, Image, Limits, OverLimit, Skeleton, plan_network
from blockqnn.seeds import generator
from blockqnn.space.code import LAYER_LIMIT, Block, Layer, Op, parse
from blockqnn.space.zoo import ZOO
from strategies import random_block

CIFAR, IMAGENET, GREY = Image(3, 32, 32), Image(3, 224, 224), Image(1, 4, 4)
TINY = Skeleton(("conv",), (2,), (1,))  # one block of 2 filters on a 4x4 grey image, 3 classes
# stem: 3*3*1*2 = 18 weights, BN 2*2 = 4: 22 parameters; FLOPs 2 * 18 * 16 pixels = 576
# linear layer of f features: (f + 1) * 3 parameters, 2 * f * 3 FLOPs


def plan(code: str, skeleton: Skeleton = TINY, image: Image = GREY, classes: int = 3):
    return plan_network(parse(code), skeleton, image, classes)


# Sizes


@pytest.mark.parametrize(
    ("code", "params", "flops", "features"),
    [
        ("(1,4,0,0,0)", 22 + 9, 576 + 12, 2),
        ("(1,2,3,0,0) (2,3,1,1,0)", 22 + 9, 576 + 12, 2),  # poolings cost nothing
        # 1*2*2 weights, BN 4; 2 * 4 * 16
        ("(1,1,1,0,0)", 22 + 8 + 9, 576 + 128 + 12, 2),
        # 9*2*2 = 36 weights, BN 4; 2 * 36 * 16
        ("(1,1,3,0,0)", 22 + 40 + 9, 576 + 1152 + 12, 2),
        # 25*2*2 = 100 weights, BN 4; 2 * 100 * 16
        ("(1,1,5,0,0)", 22 + 104 + 9, 576 + 3200 + 12, 2),
        # an Add of 2 and 2 channels is free
        ("(1,1,1,0,0) (2,5,0,0,1)", 22 + 8 + 9, 576 + 128 + 12, 2),
        # a Concat of 2 and 2 channels is free and gives 4 features: 15 parameters, 24 FLOPs
        ("(1,1,1,0,0) (2,6,0,0,1)", 22 + 8 + 15, 576 + 128 + 24, 4),
        # so do two leaves
        ("(1,1,1,0,0) (2,4,0,0,0)", 22 + 8 + 15, 576 + 128 + 24, 4),
        # a convolution of 4 channels: 1*4*2 = 8 weights, BN 4; 2 * 8 * 16
        ("(1,1,1,0,0) (2,6,0,0,1) (3,1,1,2,0)", 22 + 8 + 12 + 9, 576 + 128 + 256 + 12, 2),
        # Add of 2 and 4 channels: the operand of 2 passes 1*2*4 = 8 weights, BN 8; 2 * 8 * 16
        ("(1,4,0,0,0) (2,6,0,0,1) (3,5,0,0,2)", 22 + 16 + 15, 576 + 256 + 24, 4),
        ("(1,4,0,0,0) (2,6,0,0,1) (3,5,0,2,0)", 22 + 16 + 15, 576 + 256 + 24, 4),
    ],
)
def test_sizes_by_hand(code, params, flops, features):
    planned = plan(code)
    assert (planned.params, planned.flops, planned.features) == (params, flops, features)


def test_stages_by_hand():
    # widths 2 and 3, two blocks each, two leaves of the stage's filters: conv1 and conv1
    planned = plan("(1,1,1,0,0) (2,1,1,0,0)", Skeleton(("conv",), (2, 3), (2, 2)))
    blocks = [block for stage in planned.stages for block in stage]
    # in -> out: 2 -> 4, 4 -> 4 on 4x4; pooling; 4 -> 6, 6 -> 6 on 2x2
    assert [(b.in_channels, b.channels, b.height, b.width) for b in blocks] == [
        (2, 4, 4, 4), (4, 4, 4, 4), (4, 6, 2, 2), (6, 6, 2, 2),
    ]  # fmt: skip
    # two convolutions each: 2 * (in * filters + 2 * filters), and 2 * 2 * in * filters * pixels
    assert [b.params for b in blocks] == [16, 24, 36, 48]
    assert [b.flops for b in blocks] == [256, 512, 192, 288]
    assert planned.params == 22 + 16 + 24 + 36 + 48 + (6 + 1) * 3
    assert planned.flops == 576 + 256 + 512 + 192 + 288 + 2 * 6 * 3


def test_two_convolutions_in_the_stem_by_hand():
    # conv 1 -> 2 on 8x8, pool, conv 2 -> 2 on 4x4, pool: 22 and 9*2*2 + 4 = 40 parameters
    planned = plan("(1,4,0,0,0)", Skeleton(("conv", "pool", "conv", "pool"), (2,), (1,)), Image(1, 8, 8))
    assert [(x.op, x.in_channels, x.channels) for x in planned.stem] == [
        ("conv", 1, 2), ("pool", 2, 2), ("conv", 2, 2), ("pool", 2, 2),
    ]  # fmt: skip
    assert planned.params == 22 + 40 + 9
    assert planned.flops == 2 * 18 * 64 + 2 * 36 * 16 + 12
    assert (planned.stages[0][0].height, planned.depth) == (2, 2)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        # stem: the convolution's input 1, its output 2, BN's output 2; last ReLU: 2
        ("(1,4,0,0,0)", 16 * (1 + 2 + 2 + 2 + 2)),  # and the block's output 2
        ("(1,1,1,0,0)", 16 * (1 + 2 + 2 + 2 + 2 + 2 + 2)),  # ReLU, convolution and BN: 2 each
        ("(1,4,0,0,0) (2,4,0,0,0)", 16 * (1 + 2 + 2 + 2 + 2 + 4 + 4)),  # two leaves, joined to 4
        # Concat 4, Add 4 and in its projection ReLU 2, convolution 4, BN 4; last ReLU 4
        ("(1,4,0,0,0) (2,6,0,0,1) (3,5,0,0,2)", 16 * (1 + 2 + 2 + 2 + 4 + 4 + 2 + 4 + 4 + 4)),
    ],
)
def test_activations_by_hand(code, values):
    assert plan(code).activations == values


@pytest.mark.parametrize(
    ("code", "projected"),
    [
        ("(1,4,0,0,0) (2,6,0,0,1) (3,5,0,0,2)", 0),
        ("(1,4,0,0,0) (2,6,0,0,1) (3,5,0,2,0)", 1),
        ("(1,4,0,0,0) (2,4,0,0,0) (3,5,0,1,2)", None),
        ("(1,4,0,0,0) (2,4,0,0,0) (3,6,0,1,2)", None),  # no Add
    ],
)
def test_the_smaller_operand_is_projected(code, projected):
    node = plan(code).stages[0][0].nodes[-1]
    assert node.projected == projected
    assert node.channels == (2 if node.in_channels == (2, 2) and node.op is Op.ADD else 4)


@pytest.mark.parametrize(
    ("name", "repeats", "widths", "classes", "millions", "giga_mac"),
    [  # paper-facts.md 3.3 and 3.4; CIFAR-100 in the search, so 100 classes for one block a stage
        ("block-qnn-a", (1,), (32, 64, 128), 100, 4.2, 0.50),
        ("block-qnn-b", (1,), (32, 64, 128), 100, 3.3, 0.41),
        ("block-qnn-s", (1,), (32, 64, 128), 100, 2.5, 0.31),
        ("block-qnn-b", (4,), (32, 64, 128), 10, 20.2, 2.89),
        ("block-qnn-s", (2,), (32, 64, 128), 10, 6.1, 0.86),
        ("block-qnn-s", (3,), (32, 64, 128), 10, 9.9, 1.40),
        ("block-qnn-s", (4,), (32, 64, 128), 10, 13.6, 1.95),
        ("block-qnn-s", (3, 2, 2), (80, 160, 320), 10, 39.3, 6.50),
        ("block-qnn-s", (3, 2, 2), (80, 160, 320), 100, 39.5, 6.50),
    ],
)
def test_sizes_of_the_discovered_blocks(name, repeats, widths, classes, millions, giga_mac):
    skeleton = SKELETONS["cifar"].with_widths(widths).with_repeats(repeats)
    planned = plan_network(ZOO[name], skeleton, CIFAR, classes)
    assert round(planned.params / 1e6, 1) == millions
    assert round(planned.flops / 2e9, 2) == giga_mac


@pytest.mark.parametrize(
    ("name", "millions", "giga_mac"), [("block-qnn-b", 239, 34), ("block-qnn-s", 163, 23)]
)
def test_sizes_of_the_discovered_blocks_on_imagenet(name, millions, giga_mac):
    planned = plan_network(ZOO[name], SKELETONS["imagenet"].with_repeats((3,)), IMAGENET, 1000)
    assert round(planned.params / 1e6) == millions
    assert round(sum(b.flops for stage in planned.stages for b in stage) / 2e9) == giga_mac


def test_projections_of_block_qnn_a():
    # its Add meets the block's input (after the first block 5 leaves of F) and a convolution (F);
    # F -> C costs F*C + 2*C. Stage 1: 3 blocks 32 -> 160. Stage 2: 64 -> 160, then 3 of 64 -> 320.
    # Stage 3: 128 -> 320, then 3 of 128 -> 640.
    projections = 3 * 5_440 + (10_560 + 3 * 21_120) + (41_600 + 3 * 83_200)
    planned = plan_network(ZOO["block-qnn-a"], SKELETONS["cifar"].with_repeats((4,)), CIFAR, 100)
    nodes = [n for stage in planned.stages for block in stage for n in block.nodes]
    pairs = [(n.in_channels[n.projected], n.channels) for n in nodes if n.projected is not None]
    assert sum(f * c + 2 * c for f, c in pairs) == projections == 381_440
    assert round((planned.params - projections) / 1e6, 1) == 29.4  # paper-facts.md 3.4


# Limits


@pytest.mark.parametrize("name", ZOO)
def test_limits_at_the_border(name):
    args = (ZOO[name], SKELETONS["cifar"], CIFAR, 10)
    free = plan_network(*args)
    assert plan_network(*args, Limits(free.params, free.flops)) == free
    for limits in (Limits(max_params=free.params - 1), Limits(max_flops=free.flops - 1)):
        with pytest.raises(OverLimit):
            plan_network(*args, limits)


def test_a_limit_refuses_wherever_it_is_passed():
    # parameters and FLOPs so far: stem 22, 576; block 62, 1728; linear 71, 1740
    block, args = parse("(1,1,3,0,0)"), (TINY, GREY, 3)
    for limits in (Limits(10), Limits(61), Limits(70), Limits(None, 500), Limits(None, 1727)):
        with pytest.raises(OverLimit):
            plan_network(block, *args, limits)
    assert plan_network(block, *args, Limits(71, 1740)).params == 71


def concat_chain(layers: int) -> Block:
    """Each Concat joins the two layers before it: channels grow like Fibonacci's numbers."""
    first = Layer(1, Op.IDENTITY, 0, 0, 0)
    return Block((first, *(Layer(i, Op.CONCAT, 0, i - 2, i - 1) for i in range(2, layers + 1))))


def test_a_chain_of_concats_is_counted_exactly():
    # 2, 2, then sums: 23 layers after the input give 2 * F(24) = 2 * 46,368 channels a stage,
    # so two stages of one block 2 * 46,368 ** 2; nothing but stem and linear layer is trained
    planned = plan(str(concat_chain(23)), Skeleton(("conv",), (2, 5), (1, 1)))
    assert planned.features == 2 * 46_368**2
    assert planned.params == 22 + (2 * 46_368**2 + 1) * 3
    assert planned.flops == 576 + 2 * 2 * 46_368**2 * 3


@pytest.mark.parametrize("convolutions", [0, 1])
@pytest.mark.parametrize("layers", [23, LAYER_LIMIT - 1])
def test_huge_chains_of_concats_are_refused_fast(layers, convolutions):
    chain = concat_chain(layers).layers
    block = Block((*chain, Layer(layers + 1, Op.CONV, 5, layers, 0))[: layers + convolutions])
    skeleton = SKELETONS["cifar"].with_repeats((4,))
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        with pytest.raises(OverLimit):
            plan_network(block, skeleton, CIFAR, 10, Limits(max_params=10_000_000))
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.05


def test_a_plan_costs_less_than_a_millisecond():
    rng = generator(0, "blocks to plan")
    drawn = iter(lambda: random_block(rng, 23), None)
    seconds = []
    for block in islice((block for block in drawn if len(block.layers) == 23), 200):
        begin = time.perf_counter()
        plan_network(block, SKELETONS["cifar"], CIFAR, 10)
        seconds.append(time.perf_counter() - begin)
    assert statistics.median(seconds) < 0.001


# Images


@pytest.mark.parametrize(
    ("skeleton", "least"),
    [("small", 2), ("cifar", 4), ("imagenet", 32)],  # 1, 2, and 2 + 3 poolings
)
def test_an_image_too_small_is_refused(skeleton, least):
    block = ZOO["resnet-like"]
    fits = plan_network(block, SKELETONS[skeleton], Image(3, least, least), 10)
    assert (fits.stages[-1][0].height, fits.stages[-1][0].width) == (1, 1)
    for height, width in ((least - 1, 64), (64, least - 1), (1, 1)):
        with pytest.raises(InputError) as refused:
            plan_network(block, SKELETONS[skeleton], Image(3, height, width), 10)
        message = str(refused.value)
        assert f"{height}x{width} pixels" in message
        assert f"each side must be at least {least}" in message


@pytest.mark.parametrize(
    ("height", "width", "sides"),
    [
        (33, 17, [(33, 17), (16, 8), (8, 4)]),
        (7, 4, [(7, 4), (3, 2), (1, 1)]),
        (32, 32, [(32, 32), (16, 16), (8, 8)]),
    ],
)
def test_odd_sides_are_halved_downwards(height, width, sides):
    planned = plan("(1,1,1,0,0)", Skeleton(("conv",), (1, 1, 1), (1, 1, 1)), Image(1, height, width))
    assert [(stage[0].height, stage[0].width) for stage in planned.stages] == sides
    # stem 9 multiply-adds a pixel, each block 1; linear layer 3
    blocks = sum(h * w for h, w in sides)
    assert planned.flops == 2 * (9 * height * width + blocks + 3)


# Skeletons


@pytest.mark.parametrize(
    ("widths", "repeats", "message"),
    [
        ((), (), "widths (none): whole numbers from 1 to 10000 are allowed"),
        ((16, 0), (1, 1), "widths 16,0: whole numbers from 1 to 10000 are allowed"),
        ((10_001,), (1,), "widths 10001: whole numbers from 1 to 10000 are allowed"),
        ((16,), (), "repeats (none): whole numbers from 1 to 10000 are allowed"),
        ((16, 32), (1, -1), "repeats 1,-1: whole numbers from 1 to 10000 are allowed"),
        (
            (16, 32, 64),
            (3, 2),
            "repeats 3,2 for 3 stages of widths 16,32,64: give one number, or one for each stage",
        ),
    ],
)
def test_skeletons_that_are_refused(widths, repeats, message):
    with pytest.raises(InputError) as refused:
        Skeleton(("conv",), widths, repeats)
    assert str(refused.value) == message


def test_widest_and_deepest_skeleton_allowed():
    assert Skeleton(("conv",), (1, 10_000), (10_000, 1)).repeats == (10_000, 1)


@pytest.mark.parametrize(
    ("widths", "repeats", "expected"),
    [
        ((80, 160, 320), (3, 2, 2), ((80, 160, 320), (3, 2, 2))),
        ((16, 32), (4,), ((16, 32), (4, 4))),  # one number serves all stages
        ((8, 16, 24, 32), (2,), ((8, 16, 24, 32), (2, 2, 2, 2))),
    ],
)
def test_widths_and_repeats_of_a_skeleton(widths, repeats, expected):
    skeleton = SKELETONS["cifar"].with_widths(widths).with_repeats(repeats)
    assert (skeleton.widths, skeleton.repeats) == expected
    assert skeleton.stem == ("conv",)


def test_unequal_repeats_do_not_fit_another_number_of_stages():
    skeleton = SKELETONS["cifar"].with_repeats((3, 2, 2))
    assert skeleton.with_widths((8, 16, 32)).repeats == (3, 2, 2)
    with pytest.raises(InputError, match="repeats 3,2,2 for 2 stages of widths 16,32"):
        skeleton.with_widths((16, 32))
