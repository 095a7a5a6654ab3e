"""Images that stay as they are stored, and are decoded anew each time they are asked for."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blockqnn.data.decode import in_channels, pillow_is_quiet
from blockqnn.data.resize import Box, Size, fitted, scaled
from blockqnn.data.source import Images, Pixels

_RATIO = math.log(4 / 3)  # of a window's sides, at most (Szegedy et al. 2015)


class Window(NamedTuple):
    """Chances, in 0..1, by which a part of an image is cut out."""

    area: float
    ratio: float
    down: float
    right: float

    def box(self, size: Size, least: float) -> Box:
        """Left, top, right and bottom, in pixels: of the area a share from `least` to 1, of sides from
        3:4 to 4:3, anywhere inside (random-resized crop, Szegedy et al. 2015)."""
        height, width = size
        area = height * width * (least + (1 - least) * self.area)
        ratio = math.exp((2 * self.ratio - 1) * _RATIO)
        across = min(width, math.sqrt(area * ratio))
        down = min(height, math.sqrt(area / ratio))
        left, top = self.right * (width - across), self.down * (height - down)
        return left, top, left + across, top + down


@dataclass(frozen=True, eq=False)
class Encoded:
    """N images of a source, to be had as [H, W, C] of one size. Any process may read them.

    Each reading may raise Unreadable.
    """

    source: Images
    numbers: NDArray[np.int64]  # [N], of the source's images
    size: Size
    channels: int
    how: str  # crop, letterbox or stretch, where no window is cut out

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), *self.size, self.channels

    def rows(self, rows: slice | NDArray[np.int64]) -> "Encoded":
        """Some of them."""
        return Encoded(self.source, self.numbers[rows], self.size, self.channels, self.how)

    def name(self, row: int) -> str:
        return self.source.name(int(self.numbers[row]))

    def __getitem__(self, row: int) -> Pixels:
        """The image as it would be prepared."""
        with pillow_is_quiet():
            image = self.source.read(int(self.numbers[row]))
        return in_channels(fitted(image, self.size, self.how), self.channels)

    def window(self, row: int, window: Window, least: float) -> Pixels:
        """A part of it, enlarged or reduced to the size, of an area of at least that share."""
        number = int(self.numbers[row])
        with pillow_is_quiet():
            stored = self.source.size(number)
            box = window.box(stored, least)
            enough = max(self.size[0] / (box[3] - box[1]), self.size[1] / (box[2] - box[0]))
            image = self.source.read(number, enough)
        there = window.box(image.shape[:2], least)  # which may have been read smaller
        cut = scaled(image, self.size, there, Image.Resampling.BILINEAR)
        return in_channels(cut, self.channels)
