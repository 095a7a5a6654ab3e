"""The rules by which rates, augmentations, lengths and networks are chosen."""

import math

import pytest

from blockqnn.automatic.baselines import ENDLESS
from blockqnn.automatic.race import _makespan
from blockqnn.automatic.recipe_choice import (
    COLOURED,
    GREY,
    _best_on_both,
    _epochs,
    _strongest,
    standard_error,
    told,
)
from blockqnn.config import RECIPES
from blockqnn.journal import Row, best_of
from blockqnn.network.plan import SKELETONS

RECIPE = RECIPES["modern"].model_copy(update={"epochs": ENDLESS})


def row(accuracy, *, name="resnet-like", code="(1,1,3,0,0)", epochs=5.0, **recipe):
    return Row(
        stage="recipe",
        round=0,
        name=name,
        code=code,
        skeleton=SKELETONS["small"],
        recipe=RECIPE.model_copy(update=recipe),
        accuracy=accuracy,
        params=1,
        flops=1,
        epochs=epochs,
        steps=1,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("weights", "workers", "seconds"),
    [([1, 1, 1], 2, 2), ([1, 0.75, 0.25], 2, 1), ([1, 1], 2, 1), ([3, 1, 1, 1], 2, 3), ([2, 1], 1, 3)],
)
def test_how_long_workers_take(weights, workers, seconds):
    assert _makespan(weights, workers) == seconds


def test_the_best_is_a_network_that_learned_and_the_first_of_equals():
    assert best_of([]) is None
    assert best_of([row(None), row(99.0, code=None)]) is None
    rows = [row(None), row(70.0, name="a"), row(70.0, name="b"), row(90.0, code=None)]
    assert best_of(rows) is rows[1]


def test_a_rate_must_suit_both_networks():
    rows = [
        row(90.0, learning_rate=0.3),
        row(None, name="block-qnn-s", learning_rate=0.3),
        row(80.0, learning_rate=0.1),
        row(70.0, name="block-qnn-s", learning_rate=0.1),
    ]
    assert _best_on_both(rows).learning_rate == 0.1
    assert _best_on_both([row(None)]) is None


@pytest.mark.parametrize(
    ("strong", "expected"),
    [(80.0, "shifts and flips"), (79.0, "shifts and flips"), (77.0, "shifts"), (None, "shifts")],
)
def test_the_strongest_augmentation_within_half_a_standard_error(strong, expected):
    assert standard_error(80.0, 400) == pytest.approx(2.0)
    rows = [
        row(79.5, augmentation=COLOURED["none"]),
        row(80.0, augmentation=COLOURED["shifts"]),
        row(strong, augmentation=COLOURED["shifts and flips"]),
    ]
    recipe = _strongest(rows, list(COLOURED.values()), 400)
    assert recipe.augmentation == COLOURED[expected]
    assert expected in told(recipe)


def test_grey_images_are_never_mirrored():
    assert not any(how.flip for how in GREY.values())


@pytest.mark.parametrize(
    ("short", "long", "length", "epochs"),
    [
        (80.0, 83.0, 30.0, ENDLESS),
        (80.0, 81.0, 30.0, 120),
        (80.0, 70.0, 30.0, 120),
        (80.0, 81.0, 20.0, ENDLESS),  # not much longer than the 15 before
        (80.0, 81.0, 10.0, ENDLESS),  # everything is still learning
        (None, 80.0, 30.0, ENDLESS),
        (80.0, None, 30.0, ENDLESS),
    ],
)
def test_epochs_have_an_end_where_longer_brings_nothing(short, long, length, epochs):
    assert _epochs(row(long, epochs=length), [row(short, epochs=15.0)], 400) == epochs


@pytest.mark.parametrize("percent", [0.0, 100.0])
def test_no_standard_error_is_zero(percent):
    assert 0 < standard_error(percent, 40) < 100
    assert math.isfinite(standard_error(percent, 1))
