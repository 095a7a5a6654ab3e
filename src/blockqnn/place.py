"""Files that are replaced in one step: whoever reads sees the old or the new content, never a part.

And directories that stay.
"""

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


def sync_entries(path: Path) -> None:
    """Returns when every directory on the way to the path is on the disk, with its name.

    What was synced in a new directory would else be lost with it when the power fails.
    """
    for parent in path.absolute().parents:
        with suppress(OSError):  # one that nobody may open was not made by us
            _sync_directory(parent)


def _sync_directory(path: Path) -> None:
    """A rename is in the directory, which has to reach the disk too; Windows cannot be asked."""
    if os.name != "posix":
        return
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
