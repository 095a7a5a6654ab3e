"""Where a result may be written: nothing of the user's is replaced."""

import os
from pathlib import Path

from blockqnn.errors import InputError


def refuse_unless_new(out: Path, *, directory: bool) -> Path:
    """The nearest directory above `out` that exists; before anything is done for it.

    InputError unless `out` can be made there, or, being meant for a directory, is an empty one.
    """
    if directory and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"out {out}: exists and is not an empty directory")
    if not directory and out.exists():
        raise InputError(f"out {out}: exists; name a new file")
    there = refuse_unless_writable(out, "out")
    return there.parent if there == out else there


def refuse_unless_writable(out: Path, what: str) -> Path:
    """`out` or the nearest above it that exists; InputError unless it is a directory to write in."""
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(f"{what} {out}: {there} is not a directory that can be written")
    return there
