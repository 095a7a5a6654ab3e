"""Image data, prepared once, split once and for all. NumPy only."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blockqnn.config import DataSettings
from blockqnn.data import cache
from blockqnn.data.encoded import Encoded
from blockqnn.data.prepare import prepare
from blockqnn.data.source import Labels, Origin, Pixels
from blockqnn.errors import InputError
from blockqnn.network.plan import Image

_PACKED = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")


@dataclass(frozen=True, eq=False)
class Part:
    """Images, shape [N, H, W, C], and their classes, shape [N]."""

    images: Pixels | Encoded
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test part with class names; `digest` identifies all of it.

    The images lie in a file that is mapped into memory, so processes share them, or are decoded anew
    each time. Only `train` (the command) reads the test part. `warnings` and `notes` are one line each,
    for people.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    mean: NDArray[np.float64]  # a channel, of the training part, in 0..1
    deviation: NDArray[np.float64]
    digest: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> Image:
        _, height, width, channels = self.train.images.shape
        return Image(channels, height, width)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) that every image was brought to."""
        return self.image.height, self.image.width

    def without_test(self) -> "Dataset":
        """The same with an empty test part, for what must not read it."""
        nothing = np.zeros((0, *self.train.images.shape[1:]), np.uint8)
        return replace(self, test=Part(nothing, self.train.labels[:0]))

    def chance(self, metric: str = "accuracy") -> float:
        """What a network that always answers the same gets on the validation part, in percent.

        For `accuracy` the share of the training part's majority class, for the balanced measures
        100 / classes.
        """
        if metric != "accuracy":
            return 100.0 / len(self.classes)
        majority = int(np.bincount(self.train.labels, minlength=len(self.classes)).argmax())
        return 100.0 * float(np.mean(self.validation.labels == majority))


def load(settings: DataSettings, largest: int = 64, encoded: bool = False) -> Dataset:
    """The data set that the settings name, as it was prepared when first asked for.

    `largest` bounds the side of the images where the settings name no size. With `encoded` its images
    stay as they are stored and are decoded each time they are asked for; parts and their order are the
    same. Raises InputError that names the file and what is wrong with it.
    """
    if not encoded:
        return _dataset(_prepared(settings, largest)[1])
    origin = _origin(settings)
    source = origin.read()
    prepared = cache.prepared(
        cache.key(origin.stamp, settings, largest, encoded),
        lambda directory: prepare(source, settings, largest, directory, encoded),
    )
    _, height, width, channels = prepared.meta["shape"]
    assert prepared.numbers is not None
    size = height, width
    return _dataset(prepared, Encoded(source.images, prepared.numbers, size, channels, settings.resize))


def shipped(settings: DataSettings) -> tuple[str, dict[str, str]]:
    """The name of the prepared data of a search, and their files by name: what another machine needs."""
    name, prepared = _prepared(settings)
    files = (cache.IMAGES, cache.LABELS, cache.META)
    return name, {file: str(prepared.directory / file) for file in files}


def held(name: str) -> Dataset:
    """The data of that name, prepared on another machine; InputError where they are not here."""
    if prepared := cache.held(name):
        return _dataset(prepared)
    raise InputError(f"data {name}: are not in the cache {cache.root()}")


def _prepared(settings: DataSettings, largest: int = 64) -> tuple[str, cache.Prepared]:
    origin = _origin(settings)
    name = cache.key(origin.stamp, settings, largest)
    return name, cache.prepared(
        name, lambda directory: prepare(origin.read(), settings, largest, directory)
    )


def _dataset(prepared: cache.Prepared, encoded: Encoded | None = None) -> Dataset:
    meta, begins = prepared.meta, np.cumsum([0, *prepared.meta["sizes"]])
    train, validation, test = (
        Part(
            encoded.rows(slice(begin, end)) if encoded else prepared.images[begin:end],
            prepared.labels[begin:end],
        )
        for begin, end in pairwise(begins)
    )
    return Dataset(
        meta["name"],
        tuple(meta["classes"]),
        train,
        validation,
        test,
        np.array(meta["mean"]),
        np.array(meta["deviation"]),
        meta["digest"],
        tuple(meta["warnings"]) + prepared.warnings,
        tuple(meta["notes"]),
    )


def _origin(settings: DataSettings) -> Origin:
    """Finds the source by its form."""
    from blockqnn.data import arrays, folder, hub, labels_file, official

    source, path = settings.source, Path(settings.source)
    if settings.labels is not None:
        if source != "digits" and not path.is_dir():
            raise InputError(f"data {source!r}: no such directory, whose images --labels could name")
        return labels_file.labels_file(Path(settings.labels), None if source == "digits" else path)
    if source == "digits":
        return arrays.digits()
    if source.startswith("hf:"):
        return hub.hub(source.removeprefix("hf:"))
    if path.suffix.lower() == ".npz":
        return arrays.npz(path)
    if path.suffix.lower() in _PACKED and path.is_file():
        raise InputError(f"data {source!r}: is packed; unpack it first and name its directory")
    if path.is_dir():
        return official.official(path) or folder.folder(path)
    reason = "allowed are digits, DIR, FILE.npz or hf:NAME[:CONFIG]"
    raise InputError(f"data {source!r}: {'' if path.exists() else 'no such directory; '}{reason}")
