"""From an image file to pixels: every mode and format, rotation, transparency, depth."""

import io

import numpy as np
import pytest
from PIL import Image

from blockqnn.data.decode import ImageFiles, pillow_is_quiet
from blockqnn.data.source import Unreadable
from pictures import bomb

GREY = np.arange(0, 240, 5, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(content: bytes) -> np.ndarray:
    files = ImageFiles(["one"], lambda _: io.BytesIO(content))
    with pillow_is_quiet():
        pixels = files.read(0)
        assert files.size(0) == pixels.shape[:2]
    assert pixels.dtype == np.uint8
    return pixels


def transparent(mode: str, alpha: np.ndarray) -> Image.Image:
    image = Image.fromarray(GREY if mode == "LA" else COLOUR)
    image.putalpha(Image.fromarray(alpha))
    return image


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_colour_is_kept_to_the_bit(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(read(encoded(Image.fromarray(COLOUR), kind, **options)), COLOUR)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_grey_has_one_channel(kind):
    assert np.array_equal(read(encoded(Image.fromarray(GREY), kind)), GREY[..., None])


def test_jpeg_of_grey_and_of_colour():
    grey, colour = (read(encoded(Image.fromarray(a), "JPEG", quality=95)) for a in (GREY, COLOUR))
    assert grey.shape == (6, 8, 1)
    assert colour.shape == (6, 8, 3)
    assert np.abs(grey[..., 0].astype(int) - GREY).max() < 12


def test_one_bit():
    pixels = read(encoded(Image.fromarray(GREY > 100)))
    assert np.array_equal(pixels[..., 0], np.where(GREY > 100, 255, 0))


def test_palette():
    image = Image.fromarray(COLOUR).convert("P", palette=Image.Palette.ADAPTIVE, colors=48)
    assert np.array_equal(read(encoded(image)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colour_spaces(mode):
    image = Image.fromarray(COLOUR).convert(mode)
    assert np.array_equal(read(encoded(image, "TIFF")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_lies_on_white(mode):
    plain = np.repeat(GREY[..., None], 3, 2) if mode == "LA" else COLOUR
    alpha = np.full(GREY.shape, 255, np.uint8)
    assert np.array_equal(read(encoded(transparent(mode, alpha))), plain)
    alpha[:3] = 0
    pixels = read(encoded(transparent(mode, alpha)))
    assert (pixels[:3] == 255).all()
    assert np.array_equal(pixels[3:], plain[3:])


def test_a_transparent_colour_of_a_palette_lies_on_white():
    image = Image.fromarray((GREY > 100).astype(np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60] + [0] * 750)
    pixels = read(encoded(image, transparency=0))
    assert (pixels[GREY <= 100] == 255).all()
    assert (pixels[GREY > 100] == [40, 50, 60]).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled(kind):
    deep = GREY.astype(np.uint16) * 257
    assert np.array_equal(read(encoded(Image.fromarray(deep), kind))[..., 0], GREY)


@pytest.mark.parametrize(
    ("values", "kind"),
    [(GREY.astype(np.int32), "I"), (GREY.astype(np.int32) * 257, "I"), (GREY / np.float32(255), "F")],
)
def test_whole_and_real_numbers_are_scaled(values, kind):
    image = Image.fromarray(values.astype(np.float32 if kind == "F" else np.int32))
    assert image.mode == kind
    assert np.array_equal(read(encoded(image, "TIFF"))[..., 0], GREY)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_rotation(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}.get(kind, {})
    pixels = read(encoded(Image.fromarray(COLOUR), kind, exif=exif, **options))
    turned = {
        1: COLOUR, 2: COLOUR[:, ::-1], 3: COLOUR[::-1, ::-1], 4: COLOUR[::-1],
        5: COLOUR.swapaxes(0, 1), 6: np.rot90(COLOUR, -1),
        7: COLOUR[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(COLOUR),
    }[orientation]  # fmt: skip
    assert pixels.shape == turned.shape
    far = np.abs(pixels.astype(int) - turned).mean()
    assert far == 0 if kind != "JPEG" else far < 15


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image that can be read"),
        (b"GIF89a, but what follows is text", "no image that can be read"),
        (bomb(), "pixels"),
        (encoded(Image.fromarray(COLOUR.repeat(30, 0).repeat(30, 1)), "JPEG")[:-900], "truncated"),
        (encoded(Image.fromarray(COLOUR.repeat(30, 0).repeat(30, 1)))[:-300], "truncated|broken"),
        (encoded(Image.fromarray(np.full((6, 8), -1.0, np.float32)), "TIFF"), "outside 0..65535"),
    ],
)
def test_what_cannot_be_read(content, reason):
    files = ImageFiles(["one"], lambda _: io.BytesIO(content))
    with pillow_is_quiet(), pytest.raises(Unreadable, match=reason):
        files.read(0)
