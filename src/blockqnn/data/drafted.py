"""Every image of a source decoded once: what is known of each, and the pixels in a file if wanted."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from blockqnn.data.decode import pillow_is_quiet
from blockqnn.data.duplicates import Hashes, perceptual_hash
from blockqnn.data.resize import Size, common_size, fitted
from blockqnn.data.source import Pixels, Source, Unreadable

_THREADS = min(8, os.cpu_count() or 1)
_PIECE = 64  # images of one task
_ROUND = _PIECE * _THREADS * 4


def drafted(
    source: Source, size: Size | None, largest: int, how: str, draft: Path | None
) -> "tuple[Drafted, Size]":
    """Every image brought to the size and, where there is a draft, written there one after another.

    Without a size it is the images' common one, their sides at most `largest`; it is given too.
    """
    with pillow_is_quiet(), ThreadPoolExecutor(_THREADS) as threads:
        size = size or _common_size(source, largest, threads)
        return _decoded(source, size, how, draft, threads), size


T = TypeVar("T")


def _each(
    count: int, threads: ThreadPoolExecutor, do: Callable[[int], T]
) -> Iterable[tuple[int, T | Unreadable]]:
    """`do` of every number in order, or the Unreadable it raised; in threads, a round ahead at most."""

    def piece(numbers: Sequence[int]) -> list[T | Unreadable]:
        results: list[T | Unreadable] = []
        for number in numbers:
            try:
                results.append(do(number))
            except Unreadable as error:
                results.append(error)
        return results

    for numbers in _chunks(range(count), _ROUND):
        done = threads.map(piece, _chunks(numbers, _PIECE))
        yield from zip(numbers, (result for results in done for result in results), strict=True)


def _chunks(numbers: range, length: int) -> Iterable[range]:
    return (numbers[begin : begin + length] for begin in range(0, len(numbers), length))


def _common_size(source: Source, largest: int, threads: ThreadPoolExecutor) -> Size:
    """From the headers alone. Where none can be read the size does not matter."""
    found = _each(len(source.images), threads, source.images.size)
    sizes = [size for _, size in found if not isinstance(size, Unreadable)]
    return common_size(sizes, largest) if sizes else (1, 1)


class _One(NamedTuple):
    """An image of the final size, and what is known of it."""

    pixels: Pixels
    grey: bool
    digest: bytes
    hash: int
    shrunk: float
    sums: NDArray[np.int64]  # [2, C], of the values and of their squares


@dataclass(frozen=True, eq=False)
class Drafted:
    """What was decoded, in the source's order: the draft file, if any, has one image a row."""

    numbers: NDArray[np.int64]  # of the images that could be read
    digests: Hashes  # [N, 2], of the images as stored; equal for a grey one stored in colour
    hashes: Hashes  # [N]
    shrunk: NDArray[np.float64]  # [N], short side before over short side now
    grey: bool  # all images, so that one channel says everything
    shape: tuple[int, int, int]  # of a row in the draft
    failures: list[tuple[str, str]]  # name and reason
    sums: NDArray[np.int64]  # [N, 2, C], of the values and of their squares; [0, 2, C] with a draft


def _decoded(
    source: Source, size: Size, how: str, draft: Path | None, threads: ThreadPoolExecutor
) -> Drafted:
    """Every image brought to the size and, where there is a draft, written one after another."""

    def one(number: int) -> _One:
        image = source.images.read(number)
        shrunk = min(image.shape[:2]) / min(size)
        digest = blake2b(_content(image).data, digest_size=16).digest()
        pixels = np.ascontiguousarray(fitted(image, size, how))
        content = _content(pixels)
        grey = content.shape[2] == 1
        if pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        sums = _NOTHING if draft else _sums(pixels)
        return _One(pixels, grey, digest, perceptual_hash(content), shrunk, sums)

    numbers, digests, hashes, shrunk, failures, sums = [], [], [], [], [], []
    grey, shape = True, (0, 0, 0)
    with draft.open("wb") if draft else nullcontext() as file:
        for number, result in _each(len(source.images), threads, one):
            if isinstance(result, Unreadable):
                failures.append((source.images.name(number), str(result)))
                continue
            numbers.append(number)
            digests.append(result.digest)
            hashes.append(result.hash)
            shrunk.append(result.shrunk)
            grey &= result.grey
            shape = result.pixels.shape
            sums.append(result.sums.tobytes())
            if file:
                file.write(result.pixels.data)
    return Drafted(
        np.array(numbers, np.int64),
        np.frombuffer(b"".join(digests), ">u8").astype(np.uint64).reshape(-1, 2),
        np.array(hashes, np.uint64),
        np.array(shrunk),
        grey,
        shape,
        failures,
        np.frombuffer(b"".join(sums), np.int64).reshape(-1, 2, max(1, shape[2])),
    )


_NOTHING = np.zeros(0, np.int64)


def _sums(pixels: Pixels) -> NDArray[np.int64]:
    values = pixels.reshape(-1, pixels.shape[2]).astype(np.int64)
    return np.stack([values.sum(0), (values**2).sum(0)])


def _content(pixels: Pixels) -> Pixels:
    """One channel where it says everything."""
    first = pixels[..., :1]
    grey = pixels.shape[2] == 3 and bool((first == pixels).all())
    return np.ascontiguousarray(first if grey else pixels)
