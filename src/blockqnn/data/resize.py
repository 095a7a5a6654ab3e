"""The one size of all images, and how an image gets it."""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from blockqnn.data.source import Pixels

Size = tuple[int, int]  # height, width
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


def common_size(sizes: Sequence[Size], largest: int) -> Size:
    """One size that all have is kept if its short side is at most `largest`; else a square of the
    median short side, at most `largest`."""
    if len(set(sizes)) == 1 and min(sizes[0]) <= largest:
        return sizes[0]
    shorts = sorted(map(min, sizes))
    side = min(largest, shorts[(len(shorts) - 1) // 2])
    return side, side


def fitted(image: Pixels, size: Size, how: str) -> Pixels:
    """The image [H, W, C] in this size, antialiased; untouched where it has it.

    `crop` covers the size and cuts off equally on both sides, `letterbox` shows all with black
    beside it, `stretch` changes the proportions.
    """
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    if how == "stretch":
        return scaled(image, size)
    ratios = size[0] / height, size[1] / width
    ratio = max(ratios) if how == "crop" else min(ratios)
    bound = max if how == "crop" else min
    resized = scaled(
        image,
        (max(1, bound(size[0], round(height * ratio))), max(1, bound(size[1], round(width * ratio)))),
    )
    spare = [have - want for have, want in zip(resized.shape[:2], size, strict=True)]
    if how == "crop":
        top, left = (s // 2 for s in spare)
        return resized[top : top + size[0], left : left + size[1]]
    top, left = (-s // 2 for s in spare)
    canvas = np.zeros((*size, image.shape[2]), np.uint8)
    canvas[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return canvas


def scaled(
    image: Pixels,
    size: Size,
    box: Box | None = None,
    by: Image.Resampling = Image.Resampling.LANCZOS,
) -> Pixels:
    """The image, or the box of it, in this size; three channels at once, else one by one.

    Pillow's filters look at the whole support, so shrinking averages.
    """
    planes: Iterable[Pixels]
    channels = image.shape[2]
    planes = [image] if channels == 3 else [image[..., c] for c in range(channels)]
    height, width = size
    made = [
        np.asarray(Image.fromarray(np.ascontiguousarray(p)).resize((width, height), by, box))
        for p in planes
    ]
    return made[0] if channels == 3 else np.stack(made, -1)
