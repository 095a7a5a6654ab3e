"""The CIFAR-10 and CIFAR-100 python files as they are published. Read, never executed."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blockqnn.data.arrays import ArrayImages
from blockqnn.data.opcodes import read_values
from blockqnn.data.source import (
    TEST,
    TRAIN,
    FileStamp,
    Labels,
    Origin,
    Pixels,
    Source,
    in_natural_order,
    stamp,
)
from blockqnn.errors import InputError

_SIDE = 32


def official(root: Path) -> Origin | None:
    """The published files in the directory or in one folder below it; None when there are none."""
    below = sorted(path for path in root.glob("cifar*") if path.is_dir())
    found = {directory: batches for directory in (root, *below) if (batches := _batches(directory))}
    if not found:
        return None
    if len(found) > 1:
        raise InputError(f"data {root}: holds {', '.join(d.name for d in found)}; name one of them")
    ((directory, batches),) = found.items()
    metas = [path for n in ("batches.meta", "meta") if (path := directory / n).is_file()]
    files = [FileStamp.of(path) for path in (*(path for path, _ in batches), *metas)]
    return Origin(stamp("official", files), lambda: _source(directory, batches, metas))


def _batches(directory: Path) -> list[tuple[Path, int]]:
    """The files of images that are there, with their parts."""
    ten = [(directory / f"data_batch_{i}", TRAIN) for i in range(1, 6)]
    ten.append((directory / "test_batch", TEST))
    hundred = [(directory / "train", TRAIN), (directory / "test", TEST)]
    for files in (ten, hundred):
        there = [(path, part) for path, part in files if path.is_file()]
        if any(part == TRAIN for _, part in there):
            return there
    return []


def _source(directory: Path, batches: list[tuple[Path, int]], metas: list[Path]) -> Source:
    images, labels, parts = [], [], []
    for path, part in batches:
        pixels, numbers = _batch(path)
        images.append((path.name, pixels))
        labels.append(numbers)
        parts.append(np.full(len(numbers), part, np.int8))
    numbers = np.concatenate(labels)
    names = _class_names(metas[0]) if metas else [str(i) for i in range(int(numbers.max()) + 1)]
    if len(names) <= numbers.max():
        raise InputError(f"data {metas[0]}: {len(names)} names for label {numbers.max()}")
    classes, renumbered, unused = in_natural_order(names, numbers)
    notes = [] if metas else ["without batches.meta or meta the classes have numbers for names"]
    if unused:
        notes.append(f"{unused} classes without images are left out")
    return Source(
        directory.absolute().name,
        classes,
        ArrayImages(images),
        renumbered,
        np.concatenate(parts),
        notes=tuple(notes),
    )


def _batch(path: Path) -> tuple[Pixels, Labels]:
    """Images [N, 32, 32, 3] and fine labels [N] of one file."""
    values = _texts(read_values(path), path)
    data = values.get("data")
    labels = values.get("fine_labels", values.get("labels"))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3 * _SIDE**2,):
        raise InputError(f"data {path}: its data are no images of 32x32 pixels, (N, 3072) uint8")
    if isinstance(labels, list) and not all(isinstance(label, int) for label in labels):
        raise InputError(f"data {path}: holds labels that are no whole numbers")
    numbers: NDArray[Any] = np.asarray(labels)
    if numbers.shape != data.shape[:1] or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        raise InputError(f"data {path}: wants one label from 0 for each of its {len(data)} images")
    if numbers.max() >= 1000:
        raise InputError(f"data {path}: label {numbers.max()}; CIFAR has 10 or 100 classes")
    images: Pixels = data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return images, numbers.astype(np.int64)


def _class_names(path: Path) -> list[str]:
    values = _texts(read_values(path), path)
    names = values.get("fine_label_names", values.get("label_names"))
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise InputError(f"data {path}: holds no label_names, a list of texts")
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]


def _texts(values: Any, path: Path) -> dict[str, Any]:
    """The dictionary with its keys as text: bytes where Python 2 wrote them."""
    if not isinstance(values, dict):
        raise InputError(f"data {path}: holds no dictionary")
    return {k.decode("latin1") if isinstance(k, bytes) else str(k): v for k, v in values.items()}
