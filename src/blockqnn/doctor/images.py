"""Whether the images can be found and read, and whether prepared ones can be kept."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from blockqnn.config import DataSettings
from blockqnn.data.cache import not_writable, root
from blockqnn.doctor.finding import Finding
from blockqnn.errors import InputError

_PLENTY = 1_000_000_000  # bytes


def data_findings(source: str, labels: Path | None) -> Iterator[Finding]:
    """Prepares the images as a search would, which puts them into the cache."""
    from blockqnn.data.dataset import load

    settings = DataSettings(source=source, labels=None if labels is None else str(labels))
    try:
        found = load(settings)
    except InputError as error:
        yield Finding("data", "problem", str(error), "put right what it names; README, Your own images")
        return
    except RuntimeError as error:  # the disk of the cache is full
        yield Finding("data", "problem", str(error), "make room there, or name another BLOCKQNN_CACHE")
        return
    image = found.image
    yield Finding(
        "data",
        "ok",
        f"{found.name}: {len(found.classes)} classes, {len(found.train)} images to train on,"
        f" {len(found.validation)} to validate, {len(found.test)} to test,"
        f" {image.channels}x{image.height}x{image.width}",
    )
    for text in found.warnings + found.notes:
        yield Finding("data", "note", text)


def cache_findings(place: Path | None = None) -> Iterator[Finding]:
    """Whether prepared images can be kept there; by default where they are."""
    place = root() if place is None else place
    if reason := not_writable(place):
        yield Finding(
            "cache",
            "note",
            f"{place} cannot be written ({reason}): every process prepares the data anew",
            "name a directory that can be written in BLOCKQNN_CACHE",
        )
        return
    free = shutil.disk_usage(place).free
    text = f"{place}: {free / 1e9:.1f} GB free"
    if free < _PLENTY:
        yield Finding("cache", "note", text, "make room, or name another BLOCKQNN_CACHE")
    else:
        yield Finding("cache", "ok", text)
