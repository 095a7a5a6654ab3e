"""Which processes a test left behind, however they were started: they inherit a mark."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_MARK = "BLOCKQNN_TEST_MARK"


@contextmanager
def nothing_left() -> Iterator[Callable[[], set[int]]]:
    """Every process that begins inside must be gone soon after; thread and pipes too.

    Gives a function that tells which of them live.
    """
    mark, outer = uuid4().hex, os.environ.get(_MARK)
    os.environ[_MARK] = mark
    before = _held()
    try:
        yield lambda: _alive(mark)
    finally:
        os.environ.pop(_MARK)
        if outer:
            os.environ[_MARK] = outer
    wait_for(lambda: not _alive(mark), 2)
    wait_for(lambda: all(now <= then for now, then in zip(_held(), before, strict=True)), 2)


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    """Returns when the condition holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def command_of(pid: int) -> bytes:
    """The process's arguments; empty where it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _alive(mark: str) -> set[int]:
    """Processes with the mark; those that only wait to be reaped have none."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{_MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.add(int(process.name))
    return found


def _held() -> tuple[int, int, int]:
    """Threads and open files of this process, and children that nobody reaped."""
    zombies = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            zombies += state == "Z" and int(parent) == os.getpid()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), zombies
