"""Data sets of the Hugging Face hub, or local ones that its `datasets` library reads."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from blockqnn.data.decode import ImageFiles
from blockqnn.data.folder import listed
from blockqnn.data.source import (
    PART_OF,
    TEST,
    VALIDATION,
    FileStamp,
    Origin,
    Source,
    Unreadable,
    in_natural_order,
    numbered,
    stamp,
)
from blockqnn.errors import InputError


def hub(text: str) -> Origin:
    """`NAME[:CONFIG]`: a name of the hub, a local directory, or a FILE.parquet.

    Raises InputError when `datasets` is missing, or has no such data, or they have no image or
    label column.
    """
    name, _, config = text.partition(":")
    if not name:
        raise InputError(f"data 'hf:{text}': allowed is hf:NAME[:CONFIG]")
    path = Path(name)
    if name.endswith(".parquet") and not path.is_file():
        raise InputError(f"data hf:{text}: no such file")
    if path.exists():
        files = [FileStamp.of(path)] if path.is_file() else listed(path)
        return Origin(stamp(f"hf {config}", files), lambda: _source(text, _splits(text, path, config)))
    splits = _splits(text, name, config)
    prints = " ".join(f"{split} {rows._fingerprint}" for split, rows in sorted(splits.items()))
    return Origin(stamp(f"hf {text} {prints}", ()), lambda: _source(text, splits))


def _splits(text: str, name: str | Path, config: str) -> dict[str, Any]:
    """The data set's parts by name."""
    try:
        import datasets
    except ImportError:
        raise InputError(f"data hf:{text}: needs `pip install blockqnn[hf]`") from None
    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        if isinstance(name, Path) and name.is_file():
            found = datasets.load_dataset("parquet", data_files=str(name))
        elif isinstance(name, Path) and any((name / n).is_file() for n in _SAVED):
            found = datasets.load_from_disk(str(name))
        else:
            found = datasets.load_dataset(str(name), config or None)
    except Exception as error:  # the library raises nearly every kind, from the network to the parser
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"data hf:{text}: cannot be loaded ({reason})") from None
    finally:
        if not bars:
            datasets.enable_progress_bars()
    return dict(found) if isinstance(found, dict) else {"train": found}


_SAVED = ("dataset_dict.json", "state.json")


def _source(text: str, splits: dict[str, Any]) -> Source:
    import datasets

    notes = []
    named = {split: rows for split, rows in splits.items() if split in PART_OF}
    if "train" not in named:
        raise InputError(f"data hf:{text}: no split named train; it has {', '.join(splits)}")
    if extra := sorted(splits.keys() - named.keys()):
        notes.append(f"the splits {', '.join(extra)} are not read")
    part_of = {split: PART_OF[split] for split in named}
    if TEST not in part_of.values() and VALIDATION in part_of.values():
        part_of = {s: TEST if p == VALIDATION else p for s, p in part_of.items()}
        notes.append(
            "there is no test split: the validation split is the test part,"
            " validation is taken from train"
        )
    image, label = _columns(text, named["train"].features)
    encoded = [rows.cast_column(image, datasets.Image(decode=False)) for rows in named.values()]
    feature = named["train"].features[label]
    values = [value for rows in named.values() for value in list(rows[label])]
    if any(value is None for value in values):
        raise InputError(f"data hf:{text}: column {label!r} has rows without a label")
    if isinstance(feature, datasets.ClassLabel):
        if min(values) < 0:
            raise InputError(f"data hf:{text}: column {label!r} has rows without a label")
        classes, labels, unused = in_natural_order(feature.names, np.array(values, np.int64))
        if unused:
            notes.append(f"{unused} classes without images are left out")
    else:
        classes, labels = numbered([str(value) for value in values])
    parts = [np.full(len(rows), part_of[split], np.int8) for split, rows in named.items()]
    images = _images(dict(zip(named, encoded, strict=True)), image)
    name = Path(text.partition(":")[0]).stem
    return Source(name, classes, images, labels, np.concatenate(parts), notes=tuple(notes))


def _columns(text: str, features: Any) -> tuple[str, str]:
    """The image and the label column: by their types, then by their usual names."""
    import datasets

    raw = {"bytes", "path"}
    images = [
        name
        for name, kind in features.items()
        if isinstance(kind, datasets.Image) or (isinstance(kind, dict) and kind.keys() == raw)
    ]
    named = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    plain = [
        name
        for name, kind in features.items()
        if getattr(kind, "dtype", "") in ("string", "large_string", "int64", "int32", "int16", "int8")
    ]
    labels = named or plain
    usual = [n for n in ("fine_label", "label", "labels", "class", "target") if n in labels]
    there = ", ".join(features)
    if not images:
        raise InputError(f"data hf:{text}: no column of images; it has {there}")
    if not labels or (len(labels) > 1 and not usual):
        raise InputError(f"data hf:{text}: which column is the label? It has {there}; call it label")
    return images[0], (usual or labels)[0]


def _images(splits: dict[str, Any], column: str) -> ImageFiles:
    """The encoded images of all splits, one after another."""
    places = [(rows, i) for rows in splits.values() for i in range(len(rows))]
    names = [f"{split}[{i}]" for split, rows in splits.items() for i in range(len(rows))]
    return ImageFiles(names, _Opened(places, column))


@dataclass(frozen=True, eq=False)
class _Opened:
    """Opens the images of rows, in any process that it was sent to."""

    places: list[tuple[Any, int]]  # rows, and a number among them
    column: str

    def __call__(self, number: int) -> BinaryIO:
        rows, i = self.places[number]
        value = rows[i][self.column]
        if value is None or (value["bytes"] is None and value["path"] is None):
            raise Unreadable("no image in this row")
        return BytesIO(value["bytes"]) if value["bytes"] is not None else Path(value["path"]).open("rb")
