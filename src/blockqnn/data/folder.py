"""A directory of class folders, or of train, val and test folders of them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from blockqnn.data.decode import SUFFIXES, ImageFiles
from blockqnn.data.source import (
    PART_OF,
    TEST,
    TRAIN,
    VALIDATION,
    FileStamp,
    Origin,
    Source,
    numbered,
    stamp,
)
from blockqnn.errors import InputError

_MANY_IGNORED = 10


@dataclass
class _Found:
    """What a walk met: images with their folders below the root, and how much else."""

    images: list[tuple[tuple[str, ...], FileStamp]] = field(default_factory=list)
    ignored: int = 0


def folder(root: Path) -> Origin:
    """Images in class folders: the class is the first folder level, below a split folder if any.

    Raises InputError when there are no images, no class folders, or a single class.
    """
    found = _Found()
    _walk(str(root.absolute()), (), frozenset(), found)
    if not found.images:
        raise InputError(f"data {root}: no images in it; read are {', '.join(sorted(SUFFIXES))}")
    if loose := sum(not folders for folders, _ in found.images):
        files = "1 image lies" if loose == 1 else f"{loose} images lie"
        raise InputError(
            f"data {root}: {files} outside any class folder; the layout is CLASS/*.jpg,"
            " or name the classes with --labels FILE.csv"
        )
    kind = f"folder {root.absolute()} {found.ignored > _MANY_IGNORED and found.ignored}"
    return Origin(stamp(kind, (file for _, file in found.images)), lambda: _source(root, found))


def files_source(paths: list[str], base: Path) -> ImageFiles:
    """Image files by their paths, called by their place below the base."""
    prefix = f"{base.absolute()}{os.sep}"
    return ImageFiles([path.removeprefix(prefix) for path in paths], _Opened(paths))


@dataclass(frozen=True, eq=False)
class _Opened:
    """Opens files by number, in any process that it was sent to."""

    paths: list[str]

    def __call__(self, number: int) -> BinaryIO:
        return Path(self.paths[number]).open("rb")


def _walk(path: str, folders: tuple[str, ...], above: frozenset[tuple[int, int]], found: _Found) -> None:
    """Depth first, by name. A link to a folder above is not followed again. No Path for each file."""
    try:
        here = os.stat(path)  # noqa: PTH116
        identity = here.st_dev, here.st_ino
        if identity in above:
            return
        with os.scandir(path) as entries:
            visible = [e for e in entries if not e.name.startswith(".")]
    except OSError as error:
        raise InputError(f"data {path}: cannot be read ({error.strerror})") from None
    for entry in sorted(visible, key=lambda e: e.name):
        if entry.is_dir():
            _walk(entry.path, (*folders, entry.name), above | {identity}, found)
        elif entry.name.rpartition(".")[2].lower() in SUFFIXES and entry.is_file():
            status = entry.stat()
            file = FileStamp(entry.path, status.st_size, status.st_mtime_ns)
            found.images.append((folders, file))
        else:
            found.ignored += 1


def _source(root: Path, found: _Found) -> Source:
    notes = []
    if found.ignored > _MANY_IGNORED:
        notes.append(f"{found.ignored} files are no images by their suffix and were ignored")
    top = {folders[0] for folders, _ in found.images}
    if "train" in top and top <= PART_OF.keys() and _only_class_folders(found, "train"):
        if loose := [split for split in sorted(top) if not _only_class_folders(found, split)]:
            raise InputError(f"data {root}: {loose[0]} holds images outside any class folder")
        parts = [PART_OF[folders[0]] for folders, _ in found.images]
        names = [folders[1] for folders, _ in found.images]
        if TEST not in parts and VALIDATION in parts:
            parts = [TEST if part == VALIDATION else part for part in parts]
            notes.append("there is no test folder: val is the test part, validation is taken from train")
    else:
        parts = [TRAIN] * len(found.images)
        names = [folders[0] for folders, _ in found.images]
    classes, labels = numbered(names)
    images = files_source([file.path for _, file in found.images], root)
    name = root.absolute().name or "data"
    return Source(name, classes, images, labels, np.array(parts, np.int8), notes=tuple(notes))


def _only_class_folders(found: _Found, top: str) -> bool:
    """Whether every image of a top folder lies in a folder of its own class."""
    return all(len(folders) > 1 for folders, _ in found.images if folders[0] == top)


def listed(root: Path) -> Iterator[FileStamp]:
    """Every visible file below a directory, in one order."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield FileStamp.of(path)
