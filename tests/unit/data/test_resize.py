"""The common size, and how an image gets it."""

import numpy as np
import pytest

from blockqnn.data.resize import common_size, fitted


@pytest.mark.parametrize(
    ("sizes", "largest", "size"),
    [
        ([(32, 32)] * 3, 64, (32, 32)),
        ([(48, 200)] * 3, 64, (48, 200)),  # all alike, short side small enough
        ([(100, 200)] * 3, 64, (64, 64)),
        ([(100, 200)] * 3, 224, (100, 200)),
        ([(32, 40), (50, 34), (60, 60)], 64, (34, 34)),
        ([(32, 40), (50, 34), (60, 60), (80, 80)], 64, (34, 34)),  # the lower median
        ([(300, 400), (500, 340)], 64, (64, 64)),
    ],
)
def test_the_common_size(sizes, largest, size):
    assert common_size(sizes, largest) == size


@pytest.mark.parametrize("how", ["crop", "letterbox", "stretch"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(10, 40), (40, 10), (5, 5), (33, 32), (1, 64)])
def test_every_shape_gets_the_size(how, channels, shape):
    image = np.full((*shape, channels), 200, np.uint8)
    new = fitted(image, (16, 24), how)
    assert new.shape == (16, 24, channels)
    assert new.max() == 200
    assert (new.min() == 200) == (how != "letterbox")


@pytest.mark.parametrize("how", ["crop", "letterbox", "stretch"])
def test_an_image_of_the_size_is_untouched(how):
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    assert fitted(image, (16, 24), how) is image


def test_crop_takes_the_middle_and_letterbox_adds_black():
    image = np.zeros((8, 24, 1), np.uint8)
    image[:, 8:16] = 255
    assert (fitted(image, (8, 8), "crop") == 255).all()
    boxed = fitted(np.full((8, 24, 1), 255, np.uint8), (24, 24), "letterbox")
    assert boxed[:8].max() == 0
    assert boxed[8:16].min() == 255
    assert boxed[16:].max() == 0


def test_shrinking_averages():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None]
    assert np.abs(fitted(stripes, (8, 8), "crop")[2:-2, 2:-2].astype(int) - 127).max() <= 3


def test_grey_and_colour_shrink_alike():
    grey = np.random.default_rng(0).integers(0, 256, (40, 50, 1), np.uint8)
    colour = fitted(grey.repeat(3, 2), (16, 16), "crop")
    assert np.array_equal(colour, fitted(grey, (16, 16), "crop").repeat(3, 2))
