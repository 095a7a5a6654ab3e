"""How training images are varied: moved as uint8, repainted when normalised."""

import numpy as np
import pytest
import torch
from torch import Tensor

from blockqnn.config import Augmentation, Recipe
from blockqnn.evaluation.augment import Chances, draw, moved, repainted
from blockqnn.evaluation.images import DevicePart
from blockqnn.evaluation.train import fit
from blockqnn.network.model import build
from stripes import planned

NOTHING = Augmentation()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def chances(count: int, seed: int = 0) -> Chances:
    return Chances(*draw(count, generator(seed)))


def noise(count: int, height: int = 8, width: int = 8, channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, height, width, channels), generator=generator(1)).byte()


def copies(image: Tensor, count: int, how: Augmentation, seed: int = 0) -> Tensor:
    """One image, moved again and again."""
    return moved(image[None], torch.zeros(count, dtype=torch.long), how, chances(count, seed))


def numbered(side: int) -> Tensor:
    """An image whose two channels are each pixel's row and column."""
    rows = torch.arange(side)
    return torch.stack(torch.meshgrid(rows, rows, indexing="ij"), 2).byte()


# Moved


def test_zero_settings_give_the_images_at_the_index():
    images, index = noise(5), torch.tensor([3, 0, 3])
    assert torch.equal(moved(images, index, NOTHING, chances(3)), images[index])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (7, 1), (5, 9), (8, 8)])
def test_any_size_stays_and_uint8_stays(height, width, channels):
    images = noise(6, height, width, channels)
    before = images.clone()
    how = Augmentation(shift=0.4, zoom=0.4, flip=True)
    found = moved(images, torch.arange(6), how, chances(6))
    assert found.dtype == torch.uint8
    assert found.shape == images.shape
    assert torch.equal(images, before)
    if height == width == 1:
        assert torch.equal(found, images)
    for one, origin in zip(found, images, strict=True):  # whole pixels are picked, none is mixed
        pixels = {tuple(p) for p in origin.reshape(-1, channels).tolist()}
        assert {tuple(p) for p in one.reshape(-1, channels).tolist()} <= pixels


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 8), (9, 12)])
def test_a_shift_mirrors_at_the_border(height, width):
    image, share = noise(1, height, width)[0], 0.25
    down, right = round(share * height), round(share * width)
    beyond = np.pad(image.numpy(), ((down, down), (right, right), (0, 0)), mode="reflect")
    windows = {
        beyond[y : y + height, x : x + width].tobytes(): (y - down, x - right)
        for y in range(2 * down + 1)
        for x in range(2 * right + 1)
    }
    found = copies(image, 600, Augmentation(shift=share))
    offsets = [windows[one.numpy().tobytes()] for one in found]  # KeyError: no such window
    for axis, most in ((0, down), (1, right)):
        seen = np.array([offset[axis] for offset in offsets])
        assert set(seen) == set(range(-most, most + 1))
        assert abs(seen.mean()) < 0.15 * most


def test_a_flip_is_a_mirror_image_in_half_of_the_cases():
    images = noise(4000, 4, 5)
    found = moved(images, torch.arange(4000), Augmentation(flip=True), chances(4000))
    same = (found == images).flatten(1).all(1)
    mirrored = (found == images.flip(2)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 1874 < int(mirrored.sum()) < 2126  # four standard deviations


def test_zoom_shows_a_part_from_border_to_border():
    side, share = 16, 0.5
    found = copies(numbered(side), 300, Augmentation(zoom=share)).long()
    rows, columns = found[:, :, 0, 0], found[:, 0, :, 1]
    assert (found[..., 0] == rows[:, :, None]).all()  # straight lines stay straight
    assert (found[..., 1] == columns[:, None, :]).all()
    assert (rows.diff() >= 0).all()  # nothing is mirrored
    assert (columns.diff() >= 0).all()
    shown = rows[:, -1] - rows[:, 0]
    assert (shown >= (1 - share) * (side - 1) - 1).all()
    assert (shown - (columns[:, -1] - columns[:, 0])).abs().max() <= 1  # as wide as it is high
    assert len(shown.unique()) > 4
    assert rows.min() == columns.min() == 0  # any part, also at the borders
    assert rows.max() == columns.max() == side - 1
    assert 0.5 < (rows[:, 0] > side - 1 - rows[:, -1]).float().mean() / 0.5 < 1.5  # either way


def test_each_image_is_moved_in_its_own_way():
    for how in (Augmentation(shift=0.2), Augmentation(zoom=0.4), Augmentation(flip=True)):
        found = copies(noise(1, 16, 16)[0], 64, how)
        assert len({one.numpy().tobytes() for one in found}) >= (2 if how.flip else 20)


def test_the_chances_alone_decide():
    images, index = noise(9), torch.arange(9)
    how = Augmentation(shift=0.3, zoom=0.3, flip=True, erase=0.4, color=0.3)

    def varied(seed: int, global_seed: int) -> Tensor:
        torch.manual_seed(global_seed)
        drawn = chances(9, seed)
        pixels = moved(images, index, how, drawn)
        return repainted(pixels.permute(0, 3, 1, 2).float(), how, drawn)

    with torch.random.fork_rng():
        assert torch.equal(varied(3, 10), varied(3, 20))
        assert not torch.equal(varied(3, 10), varied(4, 10))


# Repainted


def test_zero_settings_repaint_nothing():
    images = torch.rand(3, 2, 4, 5)
    assert torch.equal(repainted(images, NOTHING, chances(3)), images)


@pytest.mark.parametrize(
    ("height", "width", "share", "side"), [(8, 8, 0.5, 4), (6, 12, 0.5, 3), (32, 32, 0.25, 8)]
)
def test_an_erased_square_lies_inside_or_over_the_border(height, width, share, side):
    count = 2000
    images = torch.ones(count, 3, height, width)
    found = repainted(images, Augmentation(erase=share), chances(count))
    assert (images == 1).all()  # a new tensor
    gone = found == 0
    assert (gone | (found == 1)).all()
    assert (gone == gone[:, :1]).all()  # all channels alike
    gone = gone[:, 0]
    corners = set()
    for square in gone:
        rows, columns = square.any(1).nonzero()[:, 0], square.any(0).nonzero()[:, 0]
        assert square.sum() == len(rows) * len(columns)  # a rectangle, and of one piece
        for places, last in ((rows, height - 1), (columns, width - 1)):
            assert int(places[-1] - places[0]) == len(places) - 1
            if 0 in places or last in places:
                assert side // 2 <= len(places) <= side  # the middle is in the image
            else:
                assert len(places) == side
        corners.add((int(rows[0]), int(columns[0])))
    assert len(corners) > 20
    assert gone.any(0).all()  # every pixel now and then
    for axis in (1, 2):  # as often at one border as at the other
        first, last = (gone.any(3 - axis)[:, place].float().mean().item() for place in (0, -1))
        assert first == pytest.approx(last, abs=4 * (2 * first / count) ** 0.5)
    middle = gone[:, height // 2, width // 2].float().mean().item()
    expected = side * side / (height * width)
    assert middle == pytest.approx(expected, abs=4 * (expected / count) ** 0.5)


def test_color_changes_contrast_and_brightness_of_each_image():
    count, most = 200, 0.3
    images = torch.randn(count, 3, 4, 4, generator=generator(5))
    before = images.clone()
    found = repainted(images, Augmentation(color=most), chances(count))
    assert torch.equal(images, before)
    x, y = images.flatten(1), found.flatten(1)
    contrast = (y[:, 1] - y[:, 0]) / (x[:, 1] - x[:, 0])
    brightness = y[:, 0] - contrast * x[:, 0]
    assert torch.allclose(contrast[:, None] * x + brightness[:, None], y, atol=1e-3)
    for found_values, middle in ((contrast, 1), (brightness, 0)):
        away = found_values - middle
        assert away.abs().max() <= most + 1e-3
        assert away.min() < -0.8 * most
        assert away.max() > 0.8 * most
        assert abs(away.mean()) < 0.06


def test_what_is_erased_is_grey_whatever_its_colour():
    found = repainted(torch.ones(50, 1, 8, 8), Augmentation(erase=0.5, color=0.2), chances(50))
    assert (found == 0).flatten(1).any(1).all()
    assert (found != 0).flatten(1).any(1).all()


# In a training


def test_each_step_varies_its_images_anew():
    image = noise(1, 6, 6, 1)
    unscaled = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    same = DevicePart(image.expand(16, -1, -1, -1), torch.arange(16) % 2, *unscaled)
    how = Augmentation(shift=0.3, erase=0.3)

    def batches(seed: int) -> list[Tensor]:
        network, seen = build(planned(), 0), []
        network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
        recipe = Recipe(steps=4, batch=8, augmentation=how)
        fit(network, same, recipe, learning_rate=0.01, seed=seed)
        return seen

    first, again, other = batches(0), batches(0), batches(1)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert len({batch.numpy().tobytes() for batch in first + other}) == 8
    for batch in first:
        assert len({one.numpy().tobytes() for one in batch}) > 4
