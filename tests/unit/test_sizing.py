"""`train --max-params`: the largest network that fits."""

import pytest

from blockqnn import InputError, parse
from blockqnn.network.plan import SKELETONS, Image, plan_network
from blockqnn.report.target import Target
from blockqnn.space.zoo import ZOO
from blockqnn.training.sizing import largest, skeleton_for

IMAGE = Image(3, 32, 32)
WIDTHS = [tuple(int(w * f) for w in (32, 64, 128)) for f in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)]


def params(block, skeleton):
    return plan_network(block, skeleton, IMAGE, 10).params


def size(skeleton):
    plan = plan_network(ZOO["resnet-like"], skeleton, IMAGE, 10)
    return plan.params, -plan.flops


def sized(limit, block=ZOO["resnet-like"], skeleton=SKELETONS["cifar"], **options):
    return largest(block, skeleton, IMAGE, 10, limit, **options)


@pytest.mark.parametrize("limit", [6_000, 100_000, 2_000_000, 10**9])
def test_it_is_the_largest_of_all_that_fit(limit):
    cifar = SKELETONS["cifar"]
    tried = [cifar.with_widths(w).with_repeats((r,)) for w in WIDTHS for r in range(1, 13)]
    fitting = [s for s in tried if params(ZOO["resnet-like"], s) <= limit]
    assert size(sized(limit)) == max(map(size, fitting))


def test_the_limit_itself_fits():
    exact = params(ZOO["resnet-like"], sized(100_000))
    assert params(ZOO["resnet-like"], sized(exact)) == exact
    assert params(ZOO["resnet-like"], sized(exact - 1)) < exact


def test_what_was_named_stays():
    wide = sized(500_000, repeats=False)
    assert wide.repeats == (1, 1, 1)
    deep = sized(5_000_000, widths=False)
    assert (deep.widths, deep.repeats[0] > 1) == ((32, 64, 128), True)
    given = SKELETONS["cifar"].with_repeats((3, 1, 2))
    assert sized(5_000_000, skeleton=given, repeats=False, widths=False) == given


def test_among_equals_the_fewest_flops():
    """Without a convolution more blocks add nothing, neither parameters nor FLOPs; widths do."""
    pooling = parse("(1,2,3,0,0)")
    assert sized(10**6, pooling).repeats == (1, 1, 1)


def test_the_smallest_size_is_named_when_none_fits():
    smallest = params(ZOO["resnet-like"], SKELETONS["cifar"].with_widths(WIDTHS[0]))
    with pytest.raises(InputError, match=f"max_params 99: the smallest network has {smallest} param"):
        sized(99)
    fixed = params(ZOO["resnet-like"], SKELETONS["cifar"])
    with pytest.raises(InputError, match=f"the smallest network has {fixed} parameters"):
        sized(99, repeats=False, widths=False)


def test_widths_stay_within_what_a_skeleton_allows():
    wide = SKELETONS["cifar"].with_widths((3000, 3000, 3000))
    assert max(sized(10**12, skeleton=wide).widths) == 6000
    narrow = SKELETONS["cifar"].with_widths((2, 2, 2))
    assert min(sized(200, parse("(1,2,3,0,0)"), skeleton=narrow).widths) >= 1


def test_images_too_small_are_told():
    with pytest.raises(InputError, match="too small for 2 poolings"):
        largest(ZOO["resnet-like"], SKELETONS["cifar"], Image(1, 3, 3), 10, 10**6)


# `--repeats auto`


def most(block, **options):
    skeleton = skeleton_for(Target(ZOO[block]), IMAGE, 10, repeats="auto", **options)
    assert len(set(skeleton.repeats)) == 1
    return skeleton


@pytest.mark.parametrize(
    ("name", "limit", "count"),
    [
        ("block-qnn-s", None, 3),  # 9.85 of the paper's 10 million; four would have 13.6
        ("block-qnn-b", None, 2),
        ("block-qnn-a", None, 1),
        ("block-qnn-s", 6_125_866, 2),  # the paper's 6.1 million
        ("block-qnn-s", 6_125_865, 1),
        ("resnet-like", 10**9, 12),  # the most that is tried
    ],
)
def test_the_most_blocks_that_fit(name, limit, count):
    found, allowed = most(name, max_params=limit), limit or 10_000_000
    assert found == SKELETONS["cifar"].with_repeats((count,))
    assert params(ZOO[name], found) <= allowed
    more = params(ZOO[name], SKELETONS["cifar"].with_repeats((count + 1,)))
    assert more > allowed or count == 12


def test_auto_leaves_the_widths_alone():
    narrow = most("block-qnn-s", widths=(8, 16, 32), max_params=10**6)
    assert (narrow.widths, narrow.repeats[0] > 3) == ((8, 16, 32), True)
    assert most("resnet-like", name="small").widths == (16, 32)


def test_not_even_one_block_fits():
    one = params(ZOO["block-qnn-s"], SKELETONS["cifar"])
    with pytest.raises(InputError, match=f"max_params 99: the smallest network has {one} parameters"):
        most("block-qnn-s", max_params=99)
    with pytest.raises(InputError, match="repeats 'many': whole numbers, or auto"):
        skeleton_for(Target(ZOO["block-qnn-s"]), IMAGE, 10, repeats="many")
