"""All that a directory of `auto` tells of itself, finished or not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from blockqnn.errors import InputError
from blockqnn.journal import Journal, Row, Stage
from blockqnn.journal import read as read_journal
from blockqnn.report.calibrated import Evidence
from blockqnn.report.calibrated import read as read_evidence
from blockqnn.report.rows import RunView
from blockqnn.report.rows import read as read_run
from blockqnn.runtime.store import is_run
from blockqnn.space.code import Block, parse

Metric = Literal["accuracy", "balanced-accuracy", "macro-f1"]
_FOUND = "trial "  # how the names of the search's blocks begin


class _Stored(BaseModel):
    """Strict where it is read; what other versions add is left alone."""

    model_config = ConfigDict(strict=True, frozen=True)


class Epoch(_Stored):
    epoch: FiniteFloat
    loss: float
    validation: FiniteFloat | None = None


class ClassScore(_Stored):
    """One class of the test part; None where there is nothing to divide by."""

    name: str = Field(alias="class")
    images: int
    recall: FiniteFloat | None
    precision: FiniteFloat | None
    f1: FiniteFloat | None


class Reading(_Stored):
    test_accuracy: FiniteFloat | None = None


class Metrics(_Stored):
    """What metrics.json says; the test part's numbers are missing while it was not read."""

    metric: Metric = "accuracy"
    validation_accuracy: FiniteFloat | None = None
    test_accuracy: FiniteFloat | None = None
    test_accuracy_mean: FiniteFloat | None = None
    test_accuracy_deviation: FiniteFloat | None = None
    test_readings: list[Reading] = []
    params: int
    flops: int
    history: list[Epoch] = []
    test_images: int | None = None
    test_interval: tuple[FiniteFloat, FiniteFloat] | None = None
    balanced_accuracy: FiniteFloat | None = None
    macro_f1: FiniteFloat | None = None
    per_class: list[ClassScore] = []
    confusion: list[list[int]] = []


@dataclass(frozen=True)
class Findings:
    """The journal, and what there is of a search, of its proof and of a model."""

    directory: Path
    journal: Journal
    metrics: Metrics | None
    run: RunView | None
    evidence: Evidence

    def done(self, stage: Stage) -> bool:
        return stage in self.journal.took

    def rows(self, stage: Stage) -> list[Row]:
        return [row for row in self.journal.rows if row.stage == stage]

    @property
    def chosen(self) -> Row | None:
        """The row whose model lies in the directory."""
        kept = self.journal.kept
        return (
            None if kept is None or not 0 <= kept < len(self.journal.rows) else self.journal.rows[kept]
        )

    @property
    def metric(self) -> str:
        """What accuracies of this directory are, in words."""
        row = self.chosen or next(iter(self.journal.rows), None)
        name = self.metrics.metric if self.metrics else row.recipe.metric if row else "accuracy"
        return {"balanced-accuracy": "balanced accuracy", "macro-f1": "macro F1"}.get(name, name)

    def block(self, code: str) -> Block | None:
        """The code's block; None where it needs an operation that only a plugin knows."""
        try:
            return self.run.facts.block(code) if self.run else parse(code)
        except InputError:
            return None


def found_by_search(row: Row) -> bool:
    """Whether the search wrote this block, which else is one with a name."""
    return row.name.startswith(_FOUND)


def read(directory: Path) -> Findings:
    """What lies in the directory now. InputError without a journal, or where a file is damaged."""
    run = directory / "run"
    searched = is_run(run)
    return Findings(
        directory=directory,
        journal=read_journal(directory),
        metrics=_metrics(directory / "metrics.json"),
        run=read_run(run) if searched else None,
        evidence=read_evidence(run) if searched else Evidence(None, None),
    )


def _metrics(path: Path) -> Metrics | None:
    try:
        return Metrics.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise InputError(f"{path}: damaged: {where}: {first['msg']}"[:300]) from None
