"""What every reader of a data source gives: labelled images, not yet prepared."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]

PARTS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
PART_OF: Mapping[str, int] = MappingProxyType(  # what folders and splits are called
    {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
)


class Unreadable(Exception):
    """An image that cannot be read; the text is the reason."""


class Images(Protocol):
    """Images that are read one by one, by any thread. Each call may raise Unreadable."""

    def __len__(self) -> int: ...

    def name(self, number: int) -> str:
        """How messages call the image: its file, where it has one."""

    def size(self, number: int) -> tuple[int, int]:
        """(height, width) as `read` will give them, from the header alone."""

    def read(self, number: int, reduced: float = 1.0) -> Pixels:
        """The image, shape [H, W, C]; 1 or 3 channels, or as many as the arrays of a file have.

        Its sides may be shorter, but not by more than the factor `reduced`, where it is read faster so.
        """


@dataclass(frozen=True, eq=False)
class Source:
    """N labelled images and the parts that the source itself names.

    `parts` holds numbers of PARTS, shape [N]; where no image is of the test or of the validation
    part, that part is still to be drawn from the training part. `groups`, one a image, are never
    torn apart.
    """

    name: str
    classes: tuple[str, ...]
    images: Images
    labels: Labels
    parts: NDArray[np.int8]
    groups: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


class Origin(NamedTuple):
    """A source that was found but not read: `stamp` changes whenever its contents may have."""

    stamp: str
    read: Callable[[], Source]


class FileStamp(NamedTuple):
    """What tells that a file is still the same, without reading it."""

    path: str
    bytes: int
    modified: int  # nanoseconds

    @classmethod
    def of(cls, path: Path) -> "FileStamp":
        status = path.stat()
        return cls(str(path.absolute()), status.st_size, status.st_mtime_ns)


def stamp(kind: str, files: Iterable[FileStamp]) -> str:
    """One text for the kind of source and all its files."""
    hashed = blake2b(kind.encode(), digest_size=16)
    for file in files:
        line = f"{file.path!r} {file.bytes} {file.modified}\n"
        hashed.update(line.encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


def natural(name: str) -> tuple[object, ...]:
    """Sorts `2` before `10`: text and numbers in turn; a number by its length, then its digits."""
    pieces = re.split("([0-9]+)", name)
    digits = (piece.lstrip("0") for piece in pieces[1::2])
    turns = zip(pieces[::2], [(len(d), d) for d in digits] + [(0, "")], strict=True)
    return (*turns, name)


def numbered(names: Sequence[str]) -> tuple[tuple[str, ...], Labels]:
    """The classes in natural order, and the number of each image's class."""
    classes = tuple(sorted(set(names), key=natural))
    number = {name: i for i, name in enumerate(classes)}
    return classes, np.array([number[name] for name in names], np.int64)


def in_natural_order(classes: Sequence[str], labels: Labels) -> tuple[tuple[str, ...], Labels, int]:
    """Classes that have images, in natural order, the labels renumbered, and how many were left out.

    So the numbers of the classes do not depend on how a source stores them.
    """
    seen = np.unique(labels)
    order = sorted((int(label) for label in seen), key=lambda label: natural(classes[label]))
    number = np.zeros(len(classes), np.int64)
    number[order] = np.arange(len(order))
    return tuple(classes[label] for label in order), number[labels], len(classes) - len(order)
