"""Training images varied at random, a whole batch at once, on the device where they lie."""

from typing import NamedTuple

import torch
from torch import Tensor

from blockqnn.config import Augmentation


class Chances(NamedTuple):
    """By what each image of a batch is varied: numbers in 0..1, each of shape [B]."""

    zoom: Tensor
    down: Tensor
    right: Tensor
    flip: Tensor
    contrast: Tensor
    brightness: Tensor
    erased_down: Tensor
    erased_right: Tensor


def draw(count: int, generator: torch.Generator) -> Tensor:
    """The chances of so many images, [8, B], on the CPU: the same for every device."""
    return torch.rand(len(Chances._fields), count, generator=generator)


def moves(how: Augmentation) -> bool:
    """Whether pixels change their places."""
    return bool(how.shift or how.zoom or how.flip)


def moved(images: Tensor, index: Tensor, how: Augmentation, chances: Chances) -> Tensor:
    """The images [B, H, W, C] at `index`, each zoomed, shifted and flipped in its own way.

    Pixels are picked (nearest), so uint8 stays uint8; what lies beyond a border is mirrored.
    """
    height, width = images.shape[1:3]
    zoom = 1 - how.zoom * chances.zoom[:, None]

    def picked(side: int, chance: Tensor) -> Tensor:
        middle = (side - 1) / 2
        reach = how.shift * side + (1 - zoom) * middle  # what zoom leaves out may be anywhere
        offset = (2 * chance[:, None] - 1) * reach
        places = (torch.arange(side, device=images.device) - middle) * zoom + middle + offset
        return _mirrored(places.round().long(), side)

    rows, columns = picked(height, chances.down), picked(width, chances.right)
    if how.flip:
        columns = torch.where(chances.flip[:, None] < 0.5, width - 1 - columns, columns)
    return images[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def _mirrored(places: Tensor, side: int) -> Tensor:
    """Places beyond a border as those that a mirror there shows, the border pixel not doubled."""
    last = side - 1
    return (last - (last - places.abs()).abs()).clamp(0, last)


def repainted(images: Tensor, how: Augmentation, chances: Chances) -> Tensor:
    """Normalised images [B, C, H, W] with other contrast and brightness, and a square erased."""
    height, width = images.shape[2:]
    device = images.device
    if how.color:
        contrast, brightness = (
            how.color * (2 * chance[:, None, None, None] - 1)
            for chance in (chances.contrast, chances.brightness)
        )
        images = images * (1 + contrast) + brightness
    if how.erase:
        reach = how.erase * min(height, width) / 2
        down, right = (c[:, None, None, None] for c in (chances.erased_down, chances.erased_right))
        rows = torch.arange(height, device=device)[:, None] + 0.5 - down * height
        columns = torch.arange(width, device=device) + 0.5 - right * width
        images = images.masked_fill((rows.abs() <= reach) & (columns.abs() <= reach), 0.0)
    return images
