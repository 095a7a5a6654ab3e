"""From a source to the prepared files: decoded, of one size, in canonical order, split.

In memory at once are a few images and some 300 bytes for each of them: pixels go through files. Where
images are to be decoded anew each time, only their order is written.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from blockqnn.config import DataSettings
from blockqnn.data import advice, split
from blockqnn.data.cache import IMAGES, LABELS, META, NUMBERS
from blockqnn.data.drafted import Drafted, drafted
from blockqnn.data.duplicates import across
from blockqnn.data.encoded import Encoded
from blockqnn.data.source import PARTS, TEST, TRAIN, VALIDATION, Labels, Pixels, Source
from blockqnn.errors import InputError

_DRAFT = "draft"
_ROWS = 1024  # images copied at once


def prepare(
    source: Source, settings: DataSettings, largest: int, directory: Path, encoded: bool = False
) -> None:
    """Writes images.npy, labels.npy and meta.json into the directory.

    With `encoded` the numbers of the source's images instead of their pixels: numbers.npy. Raises
    InputError that begins with the source and says what is wrong with it.
    """
    try:
        _prepare(source, settings, largest, directory, encoded)
    except InputError as error:
        where = settings.source if settings.labels is None else settings.labels
        raise InputError(f"data {where}: {error}") from None


def _prepare(
    source: Source, settings: DataSettings, largest: int, directory: Path, encoded: bool
) -> None:
    _refuse_classes(source.classes, source.labels, source.parts)
    draft = None if encoded else directory / _DRAFT
    found, size = drafted(source, settings.image_size, largest, settings.resize, draft)
    warnings = _unreadable(found.failures, len(source.labels), settings)
    kept = found.numbers
    labels, parts = source.labels[kept], source.parts[kept]
    _refuse_classes(source.classes, labels, parts)
    groups = _groups(source, kept)
    canonical = np.lexsort((groups, found.digests[:, 1], found.digests[:, 0], labels))
    order, sizes = _split(labels[canonical], parts[canonical], groups[canonical], source, settings)
    order = canonical[order]
    labels = labels[order]
    np.save(directory / LABELS, labels)
    images: Pixels | Encoded
    if draft:
        images = _copied(draft, found, order, directory / IMAGES)
        draft.unlink()
        mean, deviation, digest = _measured(images, labels, sizes)
    else:
        channels = 1 if found.grey else found.shape[2]
        images = Encoded(source.images, kept[order], size, channels, settings.resize)
        np.save(directory / NUMBERS, images.numbers)
        mean, deviation, digest = _summed_up(found, order, labels, images.shape, sizes)
    if not (deviation > 1e-6).any():
        raise InputError("all training images are the same")
    pairs = across(sizes[0], images, found.digests[order], found.hashes[order])
    example = [source.images.name(int(kept[order[i]])) for i in pairs[0]] if pairs else []
    warnings += (
        advice.of_leaks(pairs, sizes, example)
        + advice.of_validation(sizes[VALIDATION])
        + advice.of_classes(source.classes, labels)
        + advice.of_sizes(found.shrunk, size)
    )
    meta = {
        "name": source.name,
        "classes": source.classes,
        "sizes": sizes,
        "shape": images.shape,
        "bytes": (directory / (NUMBERS if encoded else IMAGES)).stat().st_size,
        "mean": mean.tolist(),
        "deviation": np.where(deviation > 1e-6, deviation, 1.0).tolist(),
        "digest": digest,
        "warnings": warnings,
        "notes": source.notes,
    }
    (directory / META).write_text(json.dumps(meta))


def _refuse_classes(classes: tuple[str, ...], labels: Labels, parts: NDArray[np.int8]) -> None:
    """InputError unless the training part has two classes or more, and every class of the others."""
    seen = np.bincount(labels[parts == TRAIN], minlength=len(classes))
    for part in (VALIDATION, TEST):
        for label in np.unique(labels[parts == part]):
            if not seen[label]:
                raise InputError(
                    f"class {classes[label]!r} of the {PARTS[part]} part has no training images"
                )
    present = [name for name, count in zip(classes, seen, strict=True) if count]
    if len(present) < len(classes):
        lost = next(name for name, count in zip(classes, seen, strict=True) if not count)
        raise InputError(f"class {lost!r} has no image that can be read")
    if len(present) < 2:
        raise InputError(
            f"fewer than 2 classes, only {', '.join(present) or 'none'}; at least 2 are needed"
        )


def _unreadable(failures: list[tuple[str, str]], images: int, settings: DataSettings) -> list[str]:
    """A warning that counts them, or InputError, as the settings say."""
    if not failures:
        return []
    name, reason = failures[0]
    count = f"{len(failures)} of {images} images cannot be read, first {name} ({reason})"
    if settings.unreadable == "refuse" or len(failures) == images:
        raise InputError(f"{count}; data.unreadable=skip leaves them out")
    return [f"{count}: left out"]


def _groups(source: Source, kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the groups in the order of their names; all 0 without groups.

    Raises InputError when a group lies in several of the parts that the source names.
    """
    if source.groups is None:
        return np.zeros(len(kept), np.int64)
    names, numbers = np.unique(np.array(source.groups)[kept], return_inverse=True)
    parts = source.parts[kept]
    for part in np.unique(parts):
        inside = np.zeros(len(names), bool)
        inside[numbers[parts == part]] = True
        if torn := np.flatnonzero(inside[numbers] & (parts != part)).tolist():
            name, other = names[numbers[torn[0]]], PARTS[parts[torn[0]]]
            raise InputError(
                f"group {str(name)!r} lies in the {PARTS[part]} and in the {other} part;"
                " a group belongs to one part"
            )
    return numbers.astype(np.int64)


def _split(
    labels: Labels,
    parts: NDArray[np.int8],
    groups: NDArray[np.int64],
    source: Source,
    settings: DataSettings,
) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Rows of the training, validation and test part one after another, and how many each has."""
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    groups = np.argsort(np.argsort(first))[number]  # numbered as they appear, whatever their names
    parts = parts.copy()
    for part, share in ((TEST, settings.test), (VALIDATION, settings.validation)):
        if (parts == part).any():
            continue
        rows, what = np.flatnonzero(parts == TRAIN), f"{PARTS[part]} part"
        if source.groups is None:
            drawn = split.by_class(labels[rows], share, settings.split_seed, source.classes, what)
        else:
            drawn = split.by_group(
                labels[rows], groups[rows], share, settings.split_seed, source.classes, what
            )
        parts[rows[drawn]] = part
    each = [np.flatnonzero(parts == part) for part in range(len(PARTS))]
    return np.concatenate(each), tuple(map(len, each))


def _copied(draft: Path, found: Drafted, order: NDArray[np.int64], target: Path) -> Pixels:
    """The drafted images in this order as .npy, mapped; of grey sets one channel."""
    shape = (*found.shape[:2], 1) if found.grey else found.shape
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(order), *shape)}
    with draft.open("rb") as rows, target.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for begin in range(0, len(order), _ROWS):
            chunk = _rows(rows, found.shape, order[begin : begin + _ROWS].tolist())
            file.write(np.ascontiguousarray(chunk[..., : shape[2]]).data)
    images: Pixels = np.load(target, mmap_mode="r")
    return images


def _rows(file: BinaryIO, shape: tuple[int, int, int], numbers: list[int]) -> Pixels:
    """These rows of a file of images, read one by one: mapped, they would all stay in memory."""
    images = np.empty((len(numbers), *shape), np.uint8)
    for image, number in zip(images, numbers, strict=True):
        file.seek(number * image.nbytes)
        file.readinto(image.data)  # type: ignore[attr-defined]
    return images


def _summed_up(
    found: Drafted,
    order: NDArray[np.int64],
    labels: Labels,
    shape: tuple[int, ...],
    sizes: tuple[int, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """As `_measured`, from what was noted of each image; the digest is not that of prepared images."""
    training = found.sums[order[: sizes[0]], :, : shape[3]].sum(0) / (sizes[0] * shape[1] * shape[2])
    mean = training[0] / 255
    deviation = np.sqrt(np.maximum(0.0, training[1] / 255**2 - mean**2))
    hashed = sha256(repr(("encoded", sizes, shape[1:])).encode())
    hashed.update(np.ascontiguousarray(labels).data)
    hashed.update(np.ascontiguousarray(found.digests[order]).data)
    return mean, deviation, hashed.hexdigest()[:16]


def _measured(
    images: Pixels, labels: Labels, sizes: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Mean and deviation of each channel of the training part, in 0..1, and the digest of all parts.

    Exact, from counts of grey levels. The digest covers pixels, labels and which part they are in.
    """
    counts = np.zeros((images.shape[-1], 256), np.int64)
    hashed = sha256(repr((sizes, images.shape[1:])).encode())
    hashed.update(np.ascontiguousarray(labels).data)
    for begin in range(0, len(images), _ROWS):
        rows = np.ascontiguousarray(images[begin : begin + _ROWS])
        hashed.update(rows.data)
        for channel, count in enumerate(counts):
            count += np.bincount(rows[: max(0, sizes[0] - begin), ..., channel].ravel(), minlength=256)
    levels = np.arange(256) / 255.0
    weights = counts / counts.sum(1, keepdims=True)
    mean = weights @ levels
    deviation = np.sqrt(np.maximum(0.0, weights @ levels**2 - mean**2))
    return mean, deviation, hashed.hexdigest()[:16]
