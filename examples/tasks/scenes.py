"""Scenes composed of real photographs: shapes cut out of one place, laid on another.

The photos are the two that scikit-learn carries with it. What is trained on comes from their left,
what is tested on from their right, so no pixel is in both. An object is brighter than the ground and
has no colour of its own: its outline tells what it is.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

CLASSES = ("disc", "square", "triangle", "cross")
_SIDES = 17, 38  # pixels of an object


@dataclass(frozen=True)
class Scenes:
    images: Tensor  # float32 [N, 3, S, S] in 0..1
    masks: Tensor  # int64 [N, S, S]: 0 the ground, i + 1 the class i
    boxes: list[NDArray[np.float32]]  # of each scene [M, 5]: class, left, top, right, bottom in pixels


def compose(count: int, size: int, seed: int, *, test: bool = False) -> Scenes:
    """So many square scenes of `size` pixels, drawn from the seed; the larger, the more objects."""
    draw = np.random.default_rng(seed)
    photos = [_half(np.asarray(photo), test) for photo in load_sample_images().images]
    images, masks, boxes = [], [], []
    for _ in range(count):
        image, mask, found = _texture(photos, size, (0.3, 0.6), draw), np.zeros((size, size), int), []
        for _ in range(draw.integers(1, (size // 48) ** 2, endpoint=True)):
            shape, side = int(draw.integers(len(CLASSES))), int(draw.integers(*_SIDES))
            left, top = draw.integers(0, size - side, 2, endpoint=True)
            place = np.s_[top : top + side, left : left + side]
            inside = _outline(shape, side)
            if mask[place].any():
                continue  # objects do not hide each other
            image[place][inside] = _texture(photos, side, (0.7, 1.0), draw)[inside]
            mask[place][inside] = shape + 1
            found.append((shape, left, top, left + side, top + side))
        images.append(image)
        masks.append(mask)
        boxes.append(np.array(found, np.float32))
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return Scenes(pixels, torch.from_numpy(np.stack(masks)), boxes)


def _half(photo: NDArray[np.uint8], test: bool) -> NDArray[np.uint8]:
    middle = int(0.6 * photo.shape[1])
    return photo[:, middle:] if test else photo[:, :middle]


def _texture(
    photos: list[NDArray[np.uint8]], size: int, light: tuple[float, float], draw: np.random.Generator
) -> NDArray[np.uint8]:
    """A square of one of the photos, scaled, in a light between the two."""
    photo = photos[draw.integers(len(photos))]
    side = int(draw.uniform(0.25, 1) * min(photo.shape[:2]))
    top, left = (draw.integers(0, have - side, endpoint=True) for have in photo.shape[:2])
    square = Image.fromarray(photo[top : top + side, left : left + side]).resize((size, size))
    return (np.asarray(square) * draw.uniform(*light)).astype(np.uint8)


def _outline(shape: int, side: int) -> NDArray[np.bool_]:
    """Which pixels of a square are inside the shape."""
    y, x = np.mgrid[0.5:side, 0.5:side] / side
    return (
        (x - 0.5) ** 2 + (y - 0.5) ** 2 <= 0.25,
        np.ones((side, side), bool),
        np.abs(x - 0.5) <= (y + 0.6 / side) / 2,
        (np.abs(x - 0.5) <= 0.17) | (np.abs(y - 0.5) <= 0.17),
    )[shape]
