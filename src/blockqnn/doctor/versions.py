"""The versions of what a search is made of, against those that this package was made for."""

import platform
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from blockqnn.doctor.finding import Finding
from blockqnn.runtime.file.run_file import DATABASE
from blockqnn.version import VERSION

_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)>=([0-9.]+)")
_WAL_BUG = ((3, 7, 0), (3, 51, 2))  # the first and the last version of SQLite that has it


@dataclass(frozen=True)
class Package:
    """A package that this one needs; `found` is None where it is not installed."""

    name: str
    least: str
    found: str | None


@dataclass(frozen=True)
class Versions:
    """`wal` says whether the run that was named has been switched to a write-ahead log."""

    python: str
    sqlite: str
    packages: tuple[Package, ...]
    wal: bool = False


def measured(run: Path | None) -> Versions:
    """What is installed here."""
    try:
        needed = metadata.requires("blockqnn") or []
    except metadata.PackageNotFoundError:  # run from its source
        needed = ["torch>=2.10", "numpy>=2.0"]
    pairs = [match.groups() for text in needed if (match := _REQUIREMENT.fullmatch(text))]
    packages = tuple(Package(name, least, installed(name)) for name, least in pairs)
    return Versions(platform.python_version(), sqlite3.sqlite_version, packages, _is_wal(run))


def installed(name: str) -> str | None:
    """The version of a package, which is not imported; None where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """`2.13.0+cpu` as (2, 13, 0), to be compared."""
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])[:3]))


def findings(versions: Versions) -> Iterator[Finding]:
    """All versions in one line, and a problem for each package that is missing or too old."""
    found = {package.name.lower(): package.found for package in versions.packages}
    named = [f"{name} {found[name]}" for name in ("torch", "numpy") if found.get(name)]
    told = [f"blockqnn {VERSION}", f"Python {versions.python}", *named, f"SQLite {versions.sqlite}"]
    yield Finding("versions", "ok", ", ".join(told))
    for package in versions.packages:
        install = f"pip install -c constraints.txt '{package.name}>={package.least}'"
        if package.found is None:
            yield Finding("versions", "problem", f"{package.name} is not installed", install)
        elif numbers(package.found) < numbers(package.least):
            old = f"{package.name} {package.found} is older than {package.least}"
            yield Finding("versions", "problem", old, install)
    first, last = _WAL_BUG
    if versions.wal and first <= numbers(versions.sqlite) <= last:
        yield Finding(
            "versions",
            "problem",
            f"the run was switched to journal_mode=WAL, in which SQLite {versions.sqlite} can damage it",
            f"sqlite3 {DATABASE} 'PRAGMA journal_mode=DELETE', which is what blockqnn writes",
        )


def _is_wal(run: Path | None) -> bool:
    """By the header of the run's file; False where there is none."""
    if run is None:
        return False
    try:
        with (run / DATABASE).open("rb") as file:
            return file.read(20)[18:] == b"\2\2"
    except OSError:
        return False
