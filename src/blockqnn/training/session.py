"""A training that can go on: the folder `checkpoint` in its directory."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from blockqnn.config import flat_differences
from blockqnn.errors import InputError
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.export.place import refuse_unless_new
from blockqnn.place import replace_file

EVERY = 30.0  # seconds between two savings of a network in training
_FOLDER, _FILE = "checkpoint", "training.json"


def refuse_foreign(out: Path) -> None:
    """InputError unless `out` can be made, is empty, or holds a training that was cut off."""
    if (out / _FOLDER / _FILE).is_file():
        return
    left = {path.name for path in out.glob("*")} | {path.name for path in out.glob(f"{_FOLDER}/*")}
    if (out / _FOLDER).is_dir() and left <= {_FOLDER, f".{_FILE}.new"}:
        return  # cut off in its first moment
    refuse_unless_new(out, directory=True)


class Session:
    """This process's hold on the folder; `close` it when the process goes on without it."""

    def __init__(self, out: Path, training: Mapping[str, Any], *, holds: bool = True) -> None:
        """Begins in `out`, or goes on with what is there; to be called when all else was checked.

        `training` is all that decides the bits of the trained networks. Of a group one process `holds`
        the folder; the others, who come after it, read only. InputError says in what a training that is
        there differs, or that another process is at it.
        """
        self._training = json.loads(json.dumps(training))
        self._out, self._folder = out, out / _FOLDER
        file = self._folder / _FILE
        self._made = not out.exists()
        if file.exists():
            _refuse_another(out, file, self._training)
        self._lock = FileLock(self._folder / "training.lock")
        if not holds:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"out {out}: another process trains into it") from None
        if not file.exists():
            replace_file(file, (json.dumps(self._training, indent=2) + "\n").encode())

    def checkpoint(self, name: str) -> Checkpoint:
        """The file of one of its networks."""
        known = json.dumps([self._training, name], sort_keys=True)
        return Checkpoint(self._folder / f"{name}.pt", known, EVERY)

    def close(self) -> None:
        """Lets go; what is in the folder stays."""
        self._lock.release()

    def remove(self) -> None:
        """Lets go and removes the folder, and a directory that was made for it alone."""
        self.close()
        shutil.rmtree(self._folder)
        if self._made and not any(self._out.iterdir()):
            self._out.rmdir()


def _refuse_another(out: Path, file: Path, training: Mapping[str, Any]) -> None:
    try:
        there = json.loads(file.read_bytes())
        different = flat_differences(there, training)
    except (OSError, ValueError, AttributeError, RecursionError):
        raise InputError(
            f"checkpoint {file}: cannot be read; remove {file.parent} to begin anew"
        ) from None
    if different:
        told = "; ".join(f"{key} = {_short(a)}, not {_short(b)}" for key, a, b in different[:3])
        more = f" and {len(different) - 3} more" if len(different) > 3 else ""
        raise InputError(
            f"out {out}: holds another training that was cut off: {told}{more}; name another"
            f" directory, or remove {file.parent}"
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
