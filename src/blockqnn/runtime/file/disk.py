"""A run's directory and the disk below: made, relied on or not, waited for while it is full."""

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from blockqnn.errors import InputError
from blockqnn.quantity import duration

ALLOWED = "BLOCKQNN_NETWORK_DISK"  # environment: a run on such a disk all the same
_MOUNTS = Path("/proc/mounts")
_NETWORK = re.compile(r"nfs\d*|cifs|smb\w*|ncpfs|afs|9p|fuse(\.\S+)?")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def refuse_network_disk(directory: Path, mounts: Path = _MOUNTS) -> None:
    """InputError where the directory lies, or would lie, on NFS, SMB or FUSE.

    Locks may not hold there and commits may not last. Where the system has no such list of mounts,
    nothing is refused; nor where the user says so.
    """
    if os.environ.get(ALLOWED) == "1":
        return
    kind, place = mount_of(directory.resolve(), mounts)
    if is_network(kind):
        raise InputError(
            f"run directory {directory}: lies on {kind} ({place}), where locks and durable writes cannot"
            f" be relied on; name one on a local disk, or set {ALLOWED}=1 to take the risk"
        )


def make_directory(directory: Path, *, exist_ok: bool = True) -> None:
    """Makes the directory and those above it; where it is new nobody else may read it."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=exist_ok)


def is_network(kind: str) -> bool:
    """Whether runs are refused on file systems of that kind."""
    return _NETWORK.fullmatch(kind) is not None


def mount_of(path: Path, mounts: Path = _MOUNTS) -> tuple[str, Path]:
    """The kind of file system that holds the path, and where it is mounted; empty: not known."""
    found, holder = "", Path()
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return found, holder
    for line in lines:
        _, place, kind, *_ = [*line.split(" "), "", "", ""]
        mounted = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), place))
        # the later of two mounts in one place lies on top
        if path.is_relative_to(mounted) and len(mounted.parts) >= len(holder.parts):
            found, holder = kind, mounted
    return found, holder


@dataclass
class Patience:
    """Waits for room on a full disk, so long in all, and says so once a time; Ctrl-C ends it."""

    say: Callable[[str], None]
    seconds: float = 600.0
    pause: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    _left: float | None = field(default=None, init=False)  # of the present wait

    def waited(self, directory: Path) -> bool:
        """After a pause: whether to try once more."""
        if self._left is None:
            self._left = self.seconds
            if self._left > 0:
                self.say(
                    f"warning: run directory {directory} is full ({_free(directory)} free, a megabyte is"
                    f" enough for now); retrying for {duration(self.seconds)}, Ctrl-C is safe"
                )
        if self._left <= 0:
            return False
        try:
            self.sleep(self.pause)
        except BaseException:
            self._left = 0.0  # whoever interrupts does not want to wait once more
            raise
        self._left -= self.pause
        return True

    def done(self) -> None:
        """What had to wait is written."""
        if self._left is not None:
            self._left = None
            self.say("the run directory has room again; the search goes on")


def _free(directory: Path) -> str:
    try:
        return f"{shutil.disk_usage(directory).free / 1e6:.1f} MB"
    except OSError:
        return "nothing"
