"""One writer a run: the lock of its directory, and who holds it."""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from blockqnn.errors import InputError

LOCK, OWNER = "run.lock", "run.owner"


class Lock:
    """Held until it is released, or its process ends however it may."""

    def __init__(self, directory: Path) -> None:
        """InputError that says by whom, where another one holds it."""
        self._owner = directory / OWNER
        self._lock = FileLock(directory / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"run {directory}: is in use by {_holder(self._owner)}") from None
        since = time.strftime("%Y-%m-%d %H:%M:%S %z")
        told = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        with suppress(OSError):  # it is for people; a full disk is told elsewhere
            self._owner.write_text(json.dumps(told))

    def release(self) -> None:
        with suppress(OSError):
            self._owner.unlink(missing_ok=True)
        self._lock.release()


def _holder(owner: Path) -> str:
    """Who took the lock, unless what stands there was left by a killed process."""
    try:
        told = json.loads(owner.read_text())
        process, host, since = int(told["process"]), str(told["host"]), str(told["since"])
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
    if host == socket.gethostname() and not _lives(process):
        return "another process"
    return f"process {process} on {host} since {since}"


def _lives(process: int) -> bool:
    if os.name != "posix":  # there a signal of 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def is_searched(directory: Path) -> bool:
    """Whether a process holds the run's lock, a search or what else writes; nothing is written.

    The lock is shared for an instant where it is free. False where files have no such locks.
    """
    try:
        import fcntl
    except ImportError:  # not POSIX
        return False
    try:
        with (directory / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock was ever taken here, as in a copied run
        return False
    return False
