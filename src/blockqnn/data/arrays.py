"""Images that are arrays already: digits and .npz files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blockqnn.data.source import TEST, TRAIN, FileStamp, Origin, Pixels, Source, in_natural_order, stamp
from blockqnn.errors import InputError
from blockqnn.npz import read_arrays


class ArrayImages:
    """Arrays of images [N, H, W, C] one after another, each called by its array and number."""

    def __init__(self, arrays: Sequence[tuple[str, Pixels]]) -> None:
        self._arrays = arrays
        self._begins = np.cumsum([0, *(len(images) for _, images in arrays)])

    def __len__(self) -> int:
        return int(self._begins[-1])

    def _place(self, number: int) -> tuple[int, int]:
        array = int(np.searchsorted(self._begins, number, side="right")) - 1
        return array, number - int(self._begins[array])

    def name(self, number: int) -> str:
        array, row = self._place(number)
        return f"{self._arrays[array][0]}[{row}]"

    def size(self, number: int) -> tuple[int, int]:
        array, _ = self._place(number)
        height, width = self._arrays[array][1].shape[1:3]
        return height, width

    def read(self, number: int, _reduced: float = 1.0) -> Pixels:
        array, row = self._place(number)
        image: Pixels = self._arrays[array][1][row]
        return image


def digits() -> Origin:
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels, grey levels 0..16."""
    return Origin(stamp("digits", ()), _digits)


def _digits() -> Source:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    parts = np.full(len(labels), TRAIN, np.int8)
    classes = tuple(str(digit) for digit in range(10))
    return Source("digits", classes, ArrayImages([("digits", images)]), labels.astype(np.int64), parts)


def npz(path: Path) -> Origin:
    """A file with x_train, y_train, x_test, y_test and maybe classes.

    Raises InputError that names the array and what is wrong with it.
    """
    try:
        file = FileStamp.of(path)
    except OSError:
        raise InputError(f"data {path}: no such file") from None
    return Origin(stamp("npz", [file]), lambda: _npz(path))


def _npz(path: Path) -> Source:
    arrays = read_arrays(path, "data")
    missing = [n for n in ("x_train", "y_train", "x_test", "y_test") if n not in arrays]
    if missing:
        raise InputError(
            f"data {path}: lacks {', '.join(missing)}; it has {', '.join(arrays)[:200] or 'nothing'}"
        )
    count = _check_labels(arrays, path)
    names = arrays.get("classes", np.arange(count))
    if names.ndim != 1 or len(names) < count:
        raise InputError(f"data {path}: {names.size} names in classes for {count} classes in the labels")
    images, labels, parts = [], [], []
    for part, number in (("train", TRAIN), ("test", TEST)):
        x, y = _pixels(arrays[f"x_{part}"], f"{path}: x_{part}"), arrays[f"y_{part}"].astype(np.int64)
        if len(x) != len(y):
            raise InputError(f"data {path}: {len(x)} images in x_{part}, {len(y)} labels in y_{part}")
        images.append((f"x_{part}", x))
        labels.append(y)
        parts.append(np.full(len(y), number, np.int8))
    if images[0][1].shape[1:] != images[1][1].shape[1:]:
        shapes = f"{images[0][1].shape[1:]} and {images[1][1].shape[1:]}"
        raise InputError(f"data {path}: training and test images differ in shape: {shapes}")
    classes, renumbered, unused = in_natural_order([str(n) for n in names], np.concatenate(labels))
    notes = (f"{unused} classes without images are left out",) if unused else ()
    return Source(
        path.stem, classes, ArrayImages(images), renumbered, np.concatenate(parts), notes=notes
    )


def _check_labels(arrays: Mapping[str, NDArray[Any]], path: Path) -> int:
    """The number of classes; labels must be whole numbers from 0."""
    for part in ("y_train", "y_test"):
        labels = arrays[part]
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or not labels.size or labels.min() < 0:
            raise InputError(f"data {path}: {part} must be a list of whole numbers from 0")
    seen = np.unique(arrays["y_train"])
    extra = np.setdiff1d(arrays["y_test"], seen)
    if len(seen) < 2 or extra.size:
        reason = (
            f"class {extra[0]} of y_test is not in y_train" if extra.size else "fewer than 2 classes"
        )
        raise InputError(f"data {path}: {reason}")
    if seen[-1] >= len(arrays["y_train"]):
        raise InputError(f"data {path}: label {seen[-1]} in y_train, which has fewer images than that")
    return int(seen[-1]) + 1


def _pixels(images: NDArray[Any], where: str) -> Pixels:
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"data {where}: shape {images.shape}; allowed is (N, H, W) or (N, H, W, C)")
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if images.dtype.kind == "f" and images.min() >= 0 and images.max() <= 1:
        scaled: Pixels = np.rint(images * 255).astype(np.uint8)
        return scaled
    raise InputError(f"data {where}: must be uint8, or floating point in 0..1 (found {images.dtype})")
