"""Finished trainings as lines of a file, which only grows."""

import os
from pathlib import Path

from pydantic import BaseModel


def append(path: Path, row: BaseModel) -> None:
    """Adds the row as a line, on the disk when this returns; a line that a kill cut off goes first."""
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(row.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
