"""Candidates of a run that were trained fully, as `blockqnn calibrate` writes them.

Each line of calibration.jsonl in the run's directory is one JSON object; what figure 6 needs is read.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from blockqnn.errors import InputError

FILE = "calibration.jsonl"
Percent = Annotated[FiniteFloat, Field(ge=0, le=100)]


class FullyTrained(BaseModel):
    """An evaluated trial with its accuracies after early stop and after a full training (validation)."""

    model_config = ConfigDict(frozen=True, strict=True)

    trial: int
    code: str
    early: Percent
    final: Percent | None  # None where the full training failed
    flops: Annotated[int, Field(gt=0)]  # of one image
    density: Annotated[FiniteFloat, Field(gt=0)]
    how: str = ""  # the training in words


def fully_trained(directory: Path) -> list[FullyTrained]:
    """The rows that have a final accuracy, of the training with most rows; none where there is no file.

    InputError names a damaged line. What follows the last line's end is what a kill cut off, and no row.
    """
    path = directory / FILE
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1)]
    trained = [row for row in rows if row.final is not None]
    if not trained:
        return []
    most, _ = Counter(row.how for row in trained).most_common(1)[0]
    return [row for row in trained if row.how == most]


def _row(path: Path, number: int, line: bytes) -> FullyTrained:
    try:
        return FullyTrained.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"{path}: line {number} is damaged: {where}: {first['msg']}"[:300]) from None
