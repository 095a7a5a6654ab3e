"""Files that are replaced in one step: whoever reads sees the old or the new content, never a part."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Writes beside the file, to the disk, then renames."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
