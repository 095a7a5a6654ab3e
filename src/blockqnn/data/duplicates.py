"""Images of the held-out parts that also lie, nearly the same, in the training part."""

from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blockqnn.data.encoded import Encoded
from blockqnn.data.source import Pixels

Hashes = NDArray[np.uint64]

_SMALLEST = 17  # pixels of a side; smaller ones are alike by nature, so only identical ones count
_MAX_PAIRS = 4 * 10**9  # about 8 s
_BLOCK = 32  # held-out images compared at once: 32 x 100,000 numbers are 25 MB
# Bits of 64 that may differ, and the least correlation of the grey levels, averaged to 8x8. Tuned on
# CIFAR-10, whose test part has some 330 near-duplicates: finds 265 images, hardly one of them wrong.
# Grey drawings on an empty ground resemble each other by nature: at 0.98 one in 100 of scikit-learn's
# digits, enlarged.
_COLOUR, _GREY = (10, 0.9), (6, 0.98)


class Pair(NamedTuple):
    """A held-out image and one of the training part that it nearly equals, by number."""

    held: int
    training: int


def perceptual_hash(image: Pixels) -> int:
    """64 bits that a changed size, compression or brightness hardly changes; 0 for tiny images."""
    if min(image.shape[:2]) < _SMALLEST:
        return 0
    seen = image[..., :3] if image.shape[2] >= 3 else image[..., 0]
    bits = imagehash.dhash(Image.fromarray(np.ascontiguousarray(seen))).hash
    return int.from_bytes(np.packbits(bits).tobytes())


def across(training: int, images: Pixels | Encoded, digests: Hashes, hashes: Hashes) -> list[Pair]:
    """For each image after the first `training` ones that has a near-duplicate there, one pair.

    `digests` [N, 2] are equal for identical images, `hashes` [N] near for alike ones.
    """
    first = {digest.tobytes(): i for i, digest in enumerate(digests[:training])}
    same = {
        held: first[digest]
        for held in range(training, len(digests))
        if (digest := digests[held].tobytes()) in first
    }
    alike = {}
    if min(images.shape[1:3]) >= _SMALLEST:
        bits, correlation = _GREY if images.shape[3] == 1 else _COLOUR
        if training * (len(hashes) - training) > _MAX_PAIRS:
            bits = 0
        for pair in _near(hashes, training, bits):
            if _correlation(images[pair.held], images[pair.training]) >= correlation:
                alike[pair.held] = pair.training
    return [Pair(*pair) for pair in sorted({**alike, **same}.items())]


def _near(hashes: Hashes, training: int, bits: int) -> list[Pair]:
    """The nearest training image of each held-out one, where at most so many bits differ."""
    known, where = np.unique(hashes[:training], return_index=True)
    pairs = []
    for begin in range(training, len(hashes), _BLOCK):
        held = hashes[begin : begin + _BLOCK]
        if bits:
            distance = np.bitwise_count(held[:, None] ^ known[None])
            nearest = distance.argmin(1)
            near = distance[np.arange(len(held)), nearest] <= bits
        else:
            nearest = np.minimum(np.searchsorted(known, held), len(known) - 1)
            near = known[nearest] == held
        pairs += [Pair(begin + int(i), int(where[nearest[i]])) for i in np.flatnonzero(near)]
    return pairs


def _correlation(one: Pixels, other: Pixels) -> float:
    """Of the grey levels averaged to 8x8, so that a shift counts little; 0 for one level all over."""
    a, b = (_coarse(image) for image in (one, other))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def _coarse(image: Pixels) -> NDArray[np.float64]:
    grey = Image.fromarray(image.mean(-1).astype(np.uint8))
    return np.asarray(grey.resize((8, 8), Image.Resampling.BOX), np.float64).ravel()
