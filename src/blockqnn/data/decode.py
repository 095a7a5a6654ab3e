"""From an image file to pixels: every mode becomes grey or RGB, as a person would see it. Pillow."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from blockqnn.data.source import Pixels, Unreadable

SUFFIXES = frozenset(("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff"))
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)


class ImageFiles:
    """Encoded images, each opened by its number."""

    def __init__(self, names: list[str], open_one: Callable[[int], BinaryIO]) -> None:
        self._names, self._open = names, open_one

    def __len__(self) -> int:
        return len(self._names)

    def name(self, number: int) -> str:
        return self._names[number]

    def size(self, number: int) -> tuple[int, int]:
        with self._opened(number) as image:
            width, height = image.size
            return (width, height) if _lies_on_its_side(image) else (height, width)

    def read(self, number: int, reduced: float = 1.0) -> Pixels:
        with self._opened(number) as image:
            if (
                reduced < 1 and image.format == "JPEG"
            ):  # which is decoded at a half, a quarter, an eighth
                image.draft(None, (math.ceil(image.width * reduced), math.ceil(image.height * reduced)))
            return pixels(image)

    @contextmanager
    def _opened(self, number: int) -> Iterator[Image.Image]:
        """The image, its header read. What fails inside is raised as Unreadable."""
        try:
            with self._open(number) as stream, Image.open(stream, formats=_FORMATS) as image:
                _refuse_bomb(image)
                yield image
        except UnidentifiedImageError:
            raise Unreadable("no image that can be read") from None
        except FileNotFoundError:
            raise Unreadable("no such file") from None
        except Unreadable:
            raise
        except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
            reason = str(error).partition("\n")[0]
            raise Unreadable(reason or type(error).__name__) from None


def _refuse_bomb(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Unreadable(f"{image.width}x{image.height} pixels, more than {limit} in all")


def _lies_on_its_side(image: Image.Image) -> bool:
    """By its EXIF entry. Pillow turns the size of a TIFF itself; a PNG without an entry is not asked,
    for that would decode it."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False
    return image.getexif().get(_ORIENTATION) in _SIDEWAYS


def pixels(image: Image.Image) -> Pixels:
    """uint8 [H, W, 1] for grey modes, [H, W, 3] for all others.

    The EXIF rotation is applied, transparency laid on white, 16 bits scaled to 8.
    """
    image = ImageOps.exif_transpose(image)
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image)
    if image.has_transparency_data:
        # on white; Pillow's own compositing, so the opaque pixels stay as they are
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image).convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    array = np.array(image)
    return array if array.ndim == 3 else array[..., None]


def in_channels(pixels: Pixels, channels: int) -> Pixels:
    """Grey as three equal channels; colours as their luma (ITU-R 601, Pillow's)."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def _deep_grey(image: Image.Image) -> Pixels:
    """Grey scaled to 8 bits. White is 65535 in 16 bits; in I and F the values tell: 1, 255 or 65535."""
    values = np.asarray(image).astype(np.float64)[..., None]
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise Unreadable(f"mode {image.mode} with values outside 0..65535")
    if image.mode.startswith("I;16") or values.max() > 255:
        white = 65535.0
    elif image.mode == "F" and values.max() <= 1:
        white = 1.0
    else:
        white = 255.0
    return np.rint(values * (255.0 / white)).astype(np.uint8)


@contextmanager
def pillow_is_quiet() -> Iterator[None]:
    """What Pillow warns of (bombs, odd metadata) is decided here instead: refused, or of no matter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield
