"""Prepared data on disk, each set below its key; whoever is first prepares, all others map."""

import atexit
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from blockqnn.config import DataSettings
from blockqnn.data.source import Labels, Pixels

IMAGES, NUMBERS, LABELS, META = "images.npy", "numbers.npy", "labels.npy", "meta.json"
_FORMAT = 2
_ABANDONED = 24 * 3600  # seconds after which a killed process's preparation is swept away
_SETTINGS = {"image_size", "resize", "unreadable", "test", "validation", "split_seed"}


@dataclass(frozen=True, eq=False)
class Prepared:
    """All parts one after another: images [N, H, W, C], mapped; labels [N]; and what is known of them.

    Where images are decoded anew each time, there are none here, but `numbers`, [N]: which images of the
    source they are. A write into the images would stay in this process: the file is mapped
    copy-on-write.
    """

    images: Pixels
    labels: Labels
    meta: dict[str, Any]
    directory: Path
    numbers: NDArray[np.int64] | None = None
    warnings: tuple[str, ...] = ()


def key(stamp: str, settings: DataSettings, largest: int, encoded: bool = False) -> str:
    """Another one for another format, other files or other settings of the preparation."""
    values = settings.model_dump(mode="json", include=_SETTINGS)
    parts = (_FORMAT, stamp, sorted(values.items()), largest, *(["encoded"] if encoded else []))
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def root() -> Path:
    """$BLOCKQNN_CACHE, or the user's cache directory."""
    return Path(os.environ.get("BLOCKQNN_CACHE") or user_cache_dir("blockqnn")) / "data"


def prepared(name: str, prepare: Callable[[Path], None]) -> Prepared:
    """The entry of this key, made by `prepare` in a directory of its own if it is not there yet.

    The directory gets its name only when it is complete, so an entry is whole or absent; one that
    is damaged is made again. Nothing stays behind when `prepare` raises.
    """
    place = root()
    warnings: tuple[str, ...] = ()
    if found := _read(place / name):
        return found
    if reason := not_writable(place):
        warnings = (f"cache {place} cannot be written ({reason}): every process prepares the data anew",)
        place = _temporary()
    found = _read(place / name) or _made(place, name, prepare)
    return replace(found, warnings=warnings)


def _read(entry: Path) -> Prepared | None:
    """The entry, or None when it is absent or not whole."""
    try:
        meta = json.loads((entry / META).read_text())
        encoded = (entry / NUMBERS).exists()
        file = entry / (NUMBERS if encoded else IMAGES)
        rows: NDArray[Any] = np.load(file, mmap_mode="c", allow_pickle=False)
        labels: NDArray[Any] = np.load(entry / LABELS, allow_pickle=False)
        whole = (
            rows.shape == tuple(meta["shape"])[: 1 if encoded else 4]
            and rows.dtype == (np.int64 if encoded else np.uint8)
            and file.stat().st_size == meta["bytes"]
            and labels.shape == rows.shape[:1] == (sum(meta["sizes"]),)
            and labels.dtype == np.int64
            and 0 <= labels.min() <= labels.max() < len(meta["classes"])
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    if not whole:
        return None
    rows = rows.view(np.ndarray)
    if encoded:
        return Prepared(np.zeros((0, *meta["shape"][1:]), np.uint8), labels, meta, entry, rows)
    return Prepared(rows, labels, meta, entry)


def held(name: str) -> Prepared | None:
    """The entry of this key, where it is whole."""
    return _read(root() / name)


def holds(name: str) -> bool:
    """Whether the entry is here and whole."""
    return held(name) is not None


def install(name: str, files: Mapping[str, NDArray[np.uint8]]) -> None:
    """Makes the entry of this key from its files' bytes, as another machine holds it."""

    def write(directory: Path) -> None:
        for file, content in files.items():
            (directory / file).write_bytes(content.data)

    if warnings := prepared(name, write).warnings:
        raise OSError(warnings[0])


def _made(place: Path, name: str, prepare: Callable[[Path], None]) -> Prepared:
    _sweep(place)
    work = Path(tempfile.mkdtemp(prefix=".", dir=place))
    try:
        prepare(work)
        _put(work, place / name)
        found = _read(place / name)
    except OSError as error:
        raise RuntimeError(
            f"cache {place}: cannot hold the data ({error.strerror}); make room, or name another"
            " directory in BLOCKQNN_CACHE"
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if found is None:
        raise RuntimeError(f"cache {place}: the entry {name} was damaged as soon as it was written")
    return found


def _put(work: Path, entry: Path) -> None:
    """Names the complete directory. Another process may have been faster: its entry is kept if whole."""
    with suppress(OSError):
        work.rename(entry)
        return
    if _read(entry) is None:
        aside = Path(tempfile.mkdtemp(prefix=".", dir=entry.parent))
        with suppress(OSError):
            entry.rename(aside / "damaged")
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            work.rename(entry)


def not_writable(place: Path) -> str:
    """Why no entry can be made here; empty when one can."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=".", dir=place)).rmdir()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


@cache
def _temporary() -> Path:
    """One directory for this process, gone when it ends."""
    place = tempfile.mkdtemp(prefix="blockqnn-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return Path(place)


def _sweep(place: Path) -> None:
    """Removes what killed processes left long ago."""
    for path in place.glob(".*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(path)
