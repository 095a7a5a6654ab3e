"""What travels to a worker when a network is to be trained for a time, and what it leaves in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blockqnn.config import Recipe
from blockqnn.network.plan import Skeleton
from blockqnn.records import Record

TRAINER = "blockqnn.auto.trainer:make_trainer"


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
    history: list[tuple[float, float, float | None]]  # epoch, loss, validation accuracy
    epochs: float
    step_seconds: float


def read(path: Path) -> Left:
    """What lies in the file that a job named."""
    import torch

    return Left(**torch.load(path, weights_only=True))
