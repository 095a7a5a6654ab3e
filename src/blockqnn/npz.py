"""Reading .npz files of arrays, running no code from them and filling no memory."""

import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from blockqnn.errors import InputError
from blockqnn.machine import free_memory

_ARRAYS = 1000  # in a file; ours have at most some ten


def read_arrays(path: Path, what: str) -> dict[str, NDArray[Any]]:
    """All arrays of the file by name; InputError that begins with `what` and the path."""
    try:
        # opened here: np.load leaves a damaged archive open
        with path.open("rb") as stream:
            if reason := _too_much(stream):
                raise InputError(f"{what} {path}: {reason}")
            with np.load(stream, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{what} {path}: no such file") from None
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        reason = str(error)[:200] or type(error).__name__
        raise InputError(f"{what} {path}: cannot be read as .npz ({reason})") from None


def _too_much(stream: BinaryIO) -> str:
    """Why the archive should not be unpacked, by its directory, which zipfile reads no further than;
    empty where it may be."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
    stream.seek(0)
    if len(members) > _ARRAYS:
        return f"{len(members)} arrays; at most {_ARRAYS} are read"
    needed, free = sum(member.file_size for member in members), free_memory()
    if free is not None and needed > free / 2:
        return f"unpacked it takes {needed / 1e9:.1f} GB, over half of the {free / 1e9:.1f} GB free"
    return ""
