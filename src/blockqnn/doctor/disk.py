"""The disk that a run is written to: room, kind of file system, and how long it takes to be sure."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from blockqnn.doctor.finding import Finding
from blockqnn.errors import InputError
from blockqnn.runtime.file.disk import is_network, mount_of

_FSYNCS = 15
_INSTANT = 0.05  # ms; no disk has written anything so soon
_SLOW = 100.0  # ms
_NEEDED, _PLENTY = 200_000_000, 2_000_000_000  # bytes
# those of clusters: not refused by a search, and yet to be looked at
_CLUSTER = frozenset(("ceph", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "ocfs2", "gfs2"))
_MEMORY = frozenset(("tmpfs", "ramfs"))


@dataclass(frozen=True)
class Disk:
    """The file system of a directory; `fault` is why nothing could be written, else empty."""

    directory: Path
    free: int  # bytes
    kind: str  # as the system calls it; empty where it does not tell
    fsync: float = 0.0  # ms, the median
    fault: str = ""


def measured(run: Path | None) -> Disk:
    """The disk of the run's directory, or of where it would be made; nothing stays on it.

    InputError where the path cannot be a directory.
    """
    wanted = (Path("runs") if run is None else run).absolute()
    there = next(path for path in (wanted, *wanted.parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"run {run}: {there} is a file; name a directory")
    free, kind = shutil.disk_usage(there).free, mount_of(there.resolve())[0]
    try:
        return Disk(there, free, kind, _fsync(there))
    except OSError as error:
        return Disk(there, free, kind, fault=error.strerror or str(error))


def findings(disk: Disk) -> Iterator[Finding]:
    """What of this disk stops a run or endangers its results."""
    where = f"{disk.directory}{f' ({disk.kind})' if disk.kind else ''}"
    elsewhere = "name a directory on another disk with --run"
    if disk.fault:
        yield Finding("disk", "problem", f"{where} cannot be written: {disk.fault}", elsewhere)
        return
    room = f"{where}: {disk.free / 1e9:.1f} GB free"
    if disk.free < _NEEDED:
        yield Finding("disk", "problem", room, f"make room, or {elsewhere}")
    elif disk.free < _PLENTY:
        yield Finding("disk", "note", room, "long searches and large images want more")
    else:
        yield Finding("disk", "ok", room)
    if is_network(disk.kind) or disk.kind in _CLUSTER:
        yield Finding(
            "disk",
            "problem",
            f"{disk.kind} is a network file system: locks and syncs cannot be relied on there",
            f"{elsewhere} of this machine; a finished run can be copied",
        )
    if disk.kind in _MEMORY:
        yield Finding(
            "disk", "note", f"{disk.kind} is memory: a run there is gone after a restart", elsewhere
        )
        return
    yield from _synced(disk)


def _synced(disk: Disk) -> Iterator[Finding]:
    text = f"a write is on the disk after {disk.fsync:.{0 if disk.fsync >= 10 else 2}f} ms"
    if disk.fsync < _INSTANT:
        yield Finding(
            "disk",
            "note",
            f"{text}: so soon that it is probably not",
            "after a power cut the last results may be missing; look at the disk's or the virtual"
            " machine's write cache",
        )
    elif disk.fsync > _SLOW:
        yield Finding("disk", "note", text, "slow, but results are committed in groups")
    else:
        yield Finding("disk", "ok", text)


def _fsync(directory: Path) -> float:
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_FSYNCS):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            took.append(1000 * (time.perf_counter() - begun))
    return median(took)
