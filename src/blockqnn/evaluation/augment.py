"""Training images varied at random, a whole batch at once, on the device where they lie."""

import torch
from torch import Tensor

from blockqnn.config import Augmentation


def moved(images: Tensor, index: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """The images [B, H, W, C] at `index`, each zoomed, shifted and flipped in its own way.

    Pixels are picked (nearest), so uint8 stays uint8; what lies beyond a border is mirrored.
    """
    count, (height, width) = len(index), images.shape[1:3]
    device = images.device
    zoom = 1 - how.zoom * _drawn(generator, device, count, 1)

    def picked(side: int) -> Tensor:
        middle = (side - 1) / 2
        reach = how.shift * side + (1 - zoom) * middle  # what zoom leaves out may be anywhere
        offset = (2 * _drawn(generator, device, count, 1) - 1) * reach
        places = (torch.arange(side, device=device) - middle) * zoom + middle + offset
        return _mirrored(places.round().long(), side)

    rows, columns = picked(height), picked(width)
    if how.flip:
        flipped = _drawn(generator, device, count, 1) < 0.5
        columns = torch.where(flipped, width - 1 - columns, columns)
    return images[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def _drawn(generator: torch.Generator, device: torch.device, *shape: int) -> Tensor:
    """Numbers in 0..1, the same on every device; sent without waiting for what it computes."""
    return torch.rand(shape, generator=generator).to(device, non_blocking=True)


def _mirrored(places: Tensor, side: int) -> Tensor:
    """Places beyond a border as those that a mirror there shows, the border pixel not doubled."""
    last = side - 1
    return (last - (last - places.abs()).abs()).clamp(0, last)


def repainted(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Normalised images [B, C, H, W] with other contrast and brightness, and a square erased."""
    count, _, height, width = images.shape
    device = images.device

    def uniform() -> Tensor:
        return _drawn(generator, device, count, 1, 1, 1)

    if how.color:
        contrast, brightness = 1 + how.color * (2 * uniform() - 1), how.color * (2 * uniform() - 1)
        images = images * contrast + brightness
    if how.erase:
        reach = how.erase * min(height, width) / 2
        rows = torch.arange(height, device=device)[:, None] + 0.5 - uniform() * height
        columns = torch.arange(width, device=device) + 0.5 - uniform() * width
        images = images.masked_fill((rows.abs() <= reach) & (columns.abs() <= reach), 0.0)
    return images
