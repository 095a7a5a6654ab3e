"""The network and the images of a final training that sees more than the search."""

from types import SimpleNamespace

import numpy as np
import pytest

import blockqnn
from blockqnn import InputError
from blockqnn.automatic.larger import LARGE, checked, enlarged, final_images
from blockqnn.automatic.selection import winner
from blockqnn.automatic.shares import ends
from blockqnn.config import RECIPES, resolve
from blockqnn.data.dataset import load
from blockqnn.journal import Row, best_of, write
from blockqnn.network.plan import SKELETONS, Image, Skeleton, plan_network
from blockqnn.space.zoo import ZOO
from journeys import journal as begun

SEARCHED = Image(3, 32, 32)
BLOCK = ZOO["block-qnn-s"]
THIN = Skeleton(("conv",), (4, 8, 16), (1, 1, 2))


def row(skeleton=THIN, **changes):
    plan = plan_network(BLOCK, skeleton, SEARCHED, 10)
    facts = {
        "stage": "selection", "round": 1, "name": "trial 1", "code": str(BLOCK), "skeleton": skeleton,
        "recipe": RECIPES["modern"], "accuracy": 50.0, "params": plan.params, "flops": plan.flops,
        "epochs": 10.0, "steps": 1, "seconds": 10.0,
    }  # fmt: skip
    return Row(**{**facts, **changes})


def journal(train_size, max_params=None, rows=()):
    settings = resolve("standard", {"space": {"max_params": max_params}} if max_params else {})
    return SimpleNamespace(
        train_size=train_size,
        data=SimpleNamespace(image=SEARCHED, classes=tuple("0123456789"), sizes=(4000, 800, 1000)),
        facts=SimpleNamespace(settings=settings),
        rows=rows,
        ends=ends(1000.0),
        budget=1000.0,
    )


def test_without_a_size_nothing_changes():
    small = row()
    assert enlarged(small, journal(None)) is small


def test_a_little_larger_it_is_the_same_network():
    small, large = row(), enlarged(row(), journal((64, 48)))
    assert large.skeleton == small.skeleton
    assert large.params == small.params
    assert large.flops == plan_network(BLOCK, THIN, Image(3, 64, 48), 10).flops


def test_on_photographs_it_has_the_stem_and_the_stages_of_the_imagenet_skeleton():
    large = enlarged(row(), journal((224, 224)))
    assert large.skeleton.stem == SKELETONS["imagenet"].stem
    assert (large.skeleton.widths, large.skeleton.repeats) == ((4, 8, 16, 32), (1, 1, 2, 2))
    plan = plan_network(BLOCK, large.skeleton, Image(3, 224, 224), 10)
    assert (large.params, large.flops) == (plan.params, plan.flops)


def test_no_stage_more_than_the_limit_admits():
    small = row()
    stem = enlarged(small, journal((224, 224), max_params=round(1.1 * small.params)))
    assert (stem.skeleton.stem, stem.skeleton.widths) == (LARGE.stem, THIN.widths)
    bare = enlarged(small, journal((224, 224), max_params=small.params))
    assert bare.skeleton == THIN
    assert bare.flops > 40 * small.flops


def test_what_was_searched_on_photographs_keeps_its_skeleton():
    small = row(Skeleton(LARGE.stem, (4, 8), (1, 1)))
    assert enlarged(small, journal((224, 224))).skeleton == small.skeleton


@pytest.mark.parametrize("size", [(16, 64), (64, 31)])
def test_a_smaller_size_is_refused(size):
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]}: smaller than the 32x32 of the search"):
        checked(size, SEARCHED)


def test_the_size_of_the_search_is_no_wish():
    assert checked((32, 32), SEARCHED) is None
    assert checked(None, SEARCHED) is None
    assert checked((32, 33), SEARCHED) == (32, 33)


def test_the_larger_images_are_in_the_same_parts():
    settings = resolve("standard", {})
    small = load(settings.data)
    named = SimpleNamespace(train_size=(16, 16), facts=SimpleNamespace(settings=settings))
    large = final_images(named, small)
    for one, other in (
        (small.train, large.train), (small.validation, large.validation), (small.test, large.test)
    ):  # fmt: skip
        assert other.images.shape[1:3] == (16, 16)
        assert np.array_equal(one.labels, other.labels)
        means = [part.images.reshape(len(part), -1).mean(1) for part in (one, other)]
        assert np.corrcoef(*means)[0, 1] > 0.99  # image by image


def test_a_network_that_larger_images_make_too_slow_is_not_chosen():
    wide = row(THIN.with_widths((8, 16, 32)), epochs=3.0, choice="wide")
    thin = row(accuracy=49.0)

    def chosen(train_size):
        return winner(
            SimpleNamespace(
                journal=journal(train_size, rows=(wide, thin)),
                rows=lambda _: [wide, thin],
                best=best_of,
            ),
            1,
        )

    assert chosen(None) is wide
    assert chosen((64, 64)) is thin


def test_the_command_refuses_a_smaller_size_and_leaves_nothing(tmp_path):
    out = tmp_path / "model"
    with pytest.raises(InputError, match="train-image-size 4x4: smaller than the 8x8"):
        blockqnn.auto("digits", budget="2m", out=out, train_image_size=4)
    with pytest.raises(InputError, match="train-image-size 'big'"):
        blockqnn.auto("digits", budget="2m", out=out, train_image_size="big")
    assert not out.exists()


@pytest.mark.parametrize(("size", "told"), [((64, 64), "64x64"), (None, "32x32")])
def test_a_directory_goes_on_with_the_size_that_it_was_begun_with(tmp_path, size, told):
    write(begun(until=2, train_size=size, source="digits"), tmp_path)
    with pytest.raises(InputError, match=f"begun with a final training at {told} pixels, not 96x96"):
        blockqnn.auto(out=tmp_path, train_image_size=96)
