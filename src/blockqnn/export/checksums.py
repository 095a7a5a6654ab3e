"""SHA256SUMS of a trained directory: what is not as it was written is refused, not loaded.

The form is that of `sha256sum`, which can check it too. A directory of an earlier version has none, and
is read without.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import file_digest, sha256
from pathlib import Path

from blockqnn.errors import InputError
from blockqnn.place import replace_file

FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([\w.-]{1,100})", re.ASCII)
_BYTES = 1 << 20

Sums = Mapping[str, str]  # by file name


def write(files: Iterable[Path]) -> None:
    """Beside the files, once all are written."""
    lines = []
    for path in files:
        with path.open("rb") as file:
            lines.append(f"{file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    replace_file(path.parent / FILE, "".join(lines).encode())


def read(directory: Path) -> Sums | None:
    """What the directory's files must have; None where nobody wrote it down."""
    path = directory / FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            lines = file.read(_BYTES).decode().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = [""]
    matches = [_LINE.fullmatch(line) for line in lines]
    sums = {match[2]: match[1] for match in matches if match}
    if not sums or len(sums) < len(lines):
        raise InputError(f"model {path}: damaged; each line is a SHA-256, two spaces and a file's name")
    return sums


def refuse_changed(sums: Sums | None, path: Path, content: bytes | None = None) -> None:
    """InputError unless the file, or its content where that was read, is as it was written."""
    if sums is None:
        return
    if content is None:
        with path.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    else:
        found = sha256(content).hexdigest()
    if sums.get(path.name) != found:
        raise InputError(
            f"model {path}: is not as it was written (SHA-256 differs from {FILE}); copy it again, or"
            f" remove {FILE} if it was changed on purpose"
        )
