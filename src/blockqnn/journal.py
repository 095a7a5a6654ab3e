"""What `auto` has done so far: auto.json of its directory, from which it goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from blockqnn.config import Recipe
from blockqnn.errors import InputError
from blockqnn.network.plan import Skeleton
from blockqnn.place import replace_file
from blockqnn.runtime.facts import DataFacts, RunFacts

FILE = "auto.json"
Stage = Literal["baselines", "recipe", "search", "selection", "proof", "training", "test"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Point(_Stored):
    """Where a training stood."""

    epoch: float  # passed over the training part
    loss: float  # mean of the training batches since the point before
    validation: float | None = None  # percent of the validation part, where it was looked at


class Row(_Stored):
    """One network that was trained for its share of the time, and how good it is then."""

    stage: Stage
    round: int  # of the stage, from 0; each halves the field and doubles the time
    name: str  # block-qnn-s, resnet-like, linear, trial 17
    choice: str = ""  # what is varied in this stage, in words
    code: str | None = None  # None: a linear model
    skeleton: Skeleton
    recipe: Recipe
    accuracy: float | None  # percent of the validation part; None: training failed
    failure: str = ""
    params: int
    flops: int
    epochs: float
    steps: int
    seconds: float
    history: tuple[Point, ...] = ()


def best_of(rows: Sequence[Row]) -> Row | None:
    """The row of highest validation accuracy among the networks that learned; the first of equals.

    Those of the proof judge the search and are no candidates.
    """
    learned = [
        row for row in rows if row.accuracy is not None and row.code is not None and row.stage != "proof"
    ]
    return max(learned, key=lambda row: row.accuracy or 0.0, default=None)


class Outlook(_Stored):
    """How the search will train its candidates, and how many it may see."""

    candidate_seconds: float  # on one worker, from the steps of the first networks
    workers: int
    candidates: int  # in the search's share of the budget
    max_layers: int
    skeleton: Skeleton
    recipe: Recipe
    max_flops: int


class Journal(_Stored):
    """All that `auto` knows, besides the run in run/ and the model in its directory."""

    version: str
    facts: RunFacts  # data, device, and the settings that the search begins from
    command: str  # that goes on with it
    budget: float  # seconds
    ends: dict[Stage, float]  # seconds of the budget at which each stage is to end; old ones lack proof
    train_size: tuple[int, int] | None = None  # of the final training's images, where it is larger
    spent: float = 0.0  # seconds of the budget
    took: dict[Stage, float] = {}  # seconds of the stages that are done
    outlook: Outlook | None = None
    recipe: Recipe | None = None  # chosen for the final training
    proof: str = ""  # why there is none, where it was left out
    rows: tuple[Row, ...] = ()
    kept: int | None = None  # number of the row whose model lies in the directory

    @property
    def data(self) -> DataFacts:
        """The data set."""
        return self.facts.data

    @property
    def source(self) -> str:
        """Of the data, as it was named."""
        return self.facts.settings.data.source

    @property
    def device(self) -> str:
        """What computes: cpu, cuda or mps."""
        return self.facts.device

    @property
    def seed(self) -> int:
        """Of all that is drawn."""
        return self.facts.settings.plan.seed

    def image_size(self, row: Row) -> tuple[int, int]:
        """(height, width) of the images that the row's network was trained on."""
        searched = self.data.image.height, self.data.image.width
        return (row.stage == "training" and self.train_size) or searched

    @property
    def majority(self) -> float:
        """Percent that always the same answer gets on the validation part."""
        return self.data.chance


def read(directory: Path) -> Journal:
    """The journal in the directory; InputError where it is missing or cannot be read."""
    path = directory / FILE
    try:
        return Journal.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; auto --out writes it") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"{path}: damaged: {where}: {first['msg']}"[:300]) from None


def write(journal: Journal, directory: Path) -> None:
    """Replaces the journal in one step."""
    replace_file(directory / FILE, journal.model_dump_json(indent=1).encode())
