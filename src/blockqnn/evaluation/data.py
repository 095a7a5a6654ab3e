"""Image data in memory as uint8, split once and for all. NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blockqnn.config import DataSettings
from blockqnn.errors import InputError
from blockqnn.network.plan import Image
from blockqnn.npz import read_arrays

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """Images, shape [N, H, W, C], and their classes, shape [N]."""

    images: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test part with class names; `digest` identifies all of it.

    The validation part is a share of each class of the training data. Only `train` (the command)
    reads the test part.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    mean: NDArray[np.float64]  # a channel, of the training part, in 0..1
    deviation: NDArray[np.float64]
    digest: str

    @property
    def image(self) -> Image:
        _, height, width, channels = self.train.images.shape
        return Image(channels, height, width)

    @property
    def chance(self) -> float:
        """Percent of the validation part that the majority class of the training part makes up."""
        majority = int(np.bincount(self.train.labels, minlength=len(self.classes)).argmax())
        return 100.0 * float(np.mean(self.validation.labels == majority))


def load(settings: DataSettings) -> Dataset:
    """The data set that the settings name, split by class with the split's own seed.

    Raises InputError that names the file and what is wrong with it.
    """
    if settings.source == "digits":
        name, raw = "digits", _digits()
    elif settings.source.endswith(".npz"):
        name, raw = Path(settings.source).stem, _npz(Path(settings.source))
    else:
        raise InputError(f"data {settings.source!r}: allowed are digits or a FILE.npz")
    train = Part(raw["x_train"], raw["y_train"])
    classes = tuple(raw["classes"])
    if "x_test" in raw:
        test = Part(raw["x_test"], raw["y_test"])
    else:
        train, test = _split(train, settings.test, settings, "test part")
    digest = _digest(train, test, classes, settings)
    train, validation = _split(train, settings.validation, settings, "validation part")
    mean, deviation = _mean_and_deviation(train.images)
    if not (deviation > 1e-6).any():
        raise InputError(f"data {settings.source!r}: all training images are the same")
    return Dataset(
        name, classes, train, validation, test, mean, np.where(deviation > 1e-6, deviation, 1.0), digest
    )


def _split(part: Part, share: float, settings: DataSettings, what: str) -> tuple[Part, Part]:
    """The rest, and about `share` of each class, at least one image, never all; drawn by its seed."""
    rng = np.random.default_rng(settings.split_seed)
    taken = np.zeros(len(part), bool)
    for label in np.unique(part.labels):
        members = np.flatnonzero(part.labels == label)
        if len(members) < 2:
            raise InputError(
                f"data {settings.source!r}: class number {label} has {len(members)} image:"
                f" too few for a {what}"
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        taken[rng.permutation(members)[:count]] = True
    return Part(part.images[~taken], part.labels[~taken]), Part(part.images[taken], part.labels[taken])


def _mean_and_deviation(images: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each channel, in 0..1; exact, from counts of grey levels, in little memory."""
    levels = np.arange(256) / 255.0
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for begin in range(0, len(images), 1000):
        for channel, count in enumerate(counts):
            count += np.bincount(images[begin : begin + 1000, ..., channel].ravel(), minlength=256)
    weights = counts / counts.sum(1, keepdims=True)
    mean = weights @ levels
    return mean, np.sqrt(np.maximum(0.0, weights @ levels**2 - mean**2))


def _digest(train: Part, test: Part, classes: tuple[str, ...], settings: DataSettings) -> str:
    hashed = sha256(f"{classes} {settings.validation} {settings.split_seed}".encode())
    for part in (train, test):
        hashed.update(str(part.images.shape).encode())
        hashed.update(np.ascontiguousarray(part.images).data)
        hashed.update(np.ascontiguousarray(part.labels).data)
    return hashed.hexdigest()[:16]


def _digits() -> dict[str, Any]:
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels, grey levels 0..16."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return {
        "x_train": images,
        "y_train": labels.astype(np.int64),
        "classes": [str(digit) for digit in range(10)],
    }


def _npz(path: Path) -> dict[str, Any]:
    arrays = read_arrays(path, "data")
    missing = [n for n in ("x_train", "y_train", "x_test", "y_test") if n not in arrays]
    if missing:
        raise InputError(
            f"data {path}: lacks {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}"
        )
    count = _check_labels(arrays, path)
    names = arrays.get("classes", np.arange(count))
    if names.ndim != 1 or len(names) < count:
        raise InputError(f"data {path}: {names.size} names in classes for {count} classes in the labels")
    raw: dict[str, Any] = {"classes": [str(name) for name in names]}
    for part in ("train", "test"):
        raw[f"x_{part}"] = _pixels(arrays[f"x_{part}"], f"{path}: x_{part}")
        raw[f"y_{part}"] = arrays[f"y_{part}"].astype(np.int64)
        if len(raw[f"x_{part}"]) != len(raw[f"y_{part}"]):
            raise InputError(
                f"data {path}: {len(raw[f'x_{part}'])} images in x_{part},"
                f" {len(raw[f'y_{part}'])} labels in y_{part}"
            )
    if raw["x_train"].shape[1:] != raw["x_test"].shape[1:]:
        shapes = f"{raw['x_train'].shape[1:]} and {raw['x_test'].shape[1:]}"
        raise InputError(f"data {path}: training and test images differ in shape: {shapes}")
    return raw


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
