"""What travels to a worker when a network is to be trained for a time, and what it leaves in a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blockqnn.config import Recipe
from blockqnn.errors import InputError
from blockqnn.network.plan import Skeleton
from blockqnn.place import replace_file
from blockqnn.records import Record

TRAINER = "blockqnn.automatic.trainer:make_trainer"


class Job(Record):
    """A network to be trained until its time is over, or the recipe's epochs are done."""

    code: str | None  # None: a linear model of the pixels
    skeleton: Skeleton
    recipe: Recipe
    seconds: float
    seed: int
    out: str  # file for what is trained


@dataclass(frozen=True)
class Left:
    """What a worker left of a job: weights and how the training went."""

    weights: dict[str, Any]
    history: Sequence[tuple[float, float, float | None]]  # epoch, loss, validation accuracy
    epochs: float
    step_seconds: float
    over: float  # seconds that it took beyond its time, to be measured at the end


def read(path: Path) -> Left:
    """What lies in the file that a job named. InputError names the file that is damaged."""
    from blockqnn.evaluation.state_file import Damaged, from_bytes

    try:
        return Left(**from_bytes(path.read_bytes(), "cpu"))
    except (OSError, Damaged, TypeError) as error:
        reason = str(error) if isinstance(error, Damaged) else type(error).__name__
        raise InputError(f"trained network {path}: cannot be read ({reason})") from None


def write(left: Left, path: Path) -> None:
    """Replaces the file."""
    from blockqnn.evaluation.state_file import to_bytes

    replace_file(path, to_bytes(vars(left)))
