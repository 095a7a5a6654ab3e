"""Reading .npz files of arrays, running no code from them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blockqnn.errors import InputError


def read_arrays(path: Path, what: str) -> dict[str, NDArray[Any]]:
    """All arrays of the file by name; InputError that begins with `what` and the path."""
    try:
        # opened here: np.load leaves a damaged archive open
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"{what} {path}: no such file") from None
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise InputError(f"{what} {path}: cannot be read as .npz ({error})") from None
