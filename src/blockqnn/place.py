"""Files that are replaced in one step: whoever reads sees the old or the new content, never a part."""

import os
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Writes beside the file, to the disk, then renames, which is on the disk too when this returns.

    Where that fails nothing stays.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_directory(path.parent)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _sync_directory(path: Path) -> None:
    """A rename is in the directory, which has to reach the disk too; Windows cannot be asked."""
    if os.name != "posix":
        return
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
