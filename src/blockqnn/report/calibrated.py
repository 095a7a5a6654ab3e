"""How far a run's brief accuracies may be trusted, and what its search was worth: by full trainings.

`blockqnn calibrate` writes each finished training as a line of calibration.jsonl or proof.jsonl in the
run's directory; here they are read, without torch.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from blockqnn.config import Recipe
from blockqnn.errors import InputError
from blockqnn.report.resampling import (
    Agreement,
    Estimate,
    Permutation,
    agreement,
    difference,
    permutation,
)
from blockqnn.report.reward_fit import RewardFit, fitted
from blockqnn.runtime.facts import RunFacts, facts_of
from blockqnn.runtime.store import Store

CALIBRATION, PROOF = "calibration.jsonl", "proof.jsonl"
Percent = Annotated[FiniteFloat, Field(ge=0, le=100)]


class Trained(BaseModel):
    """A network that was trained fully, in the run's skeleton and on its images."""

    model_config = ConfigDict(frozen=True, strict=True)

    code: str
    final: Percent | None  # of the validation part, after the full training; None where it failed
    failure: str = ""  # its kind
    params: int
    flops: Annotated[int, Field(gt=0)]  # of one image
    density: Annotated[FiniteFloat, Field(gt=0)]  # as the reward counts it
    seconds: FiniteFloat
    seed: int
    device: str
    how: str  # the training in words, as: modern, 60 epochs
    recipe: Recipe

    @model_validator(mode="after")
    def _one_end(self) -> "Trained":
        if (self.final is None) != bool(self.failure):
            raise ValueError("either a final accuracy or a failure")
        return self

    @property
    def training(self) -> tuple[str, Recipe]:
        """What rows that may be compared share."""
        return self.how, self.recipe

    def accuracy(self, chance: float) -> float:
        """The final accuracy, chance where the training failed."""
        return chance if self.final is None else self.final


class CalibrationRow(Trained):
    """An evaluated trial of the run."""

    trial: int
    early: Percent  # early-stop accuracy, of the search
    reward: FiniteFloat  # the run's corrected reward


class ProofRow(Trained):
    """A block that was found, or a random one."""

    group: Literal["found", "random"]
    trial: int | None  # of the found
    evaluated: int  # trials of the run, when the best were named


Row = TypeVar("Row", bound=Trained)


@dataclass(frozen=True)
class _Trainings(Generic[Row]):
    """Networks of a run, all trained by one training."""

    rows: tuple[Row, ...]
    facts: RunFacts
    others: int  # rows that count for nothing here: of other trainings, of an earlier state of the run

    @property
    def how(self) -> str:
        return self.rows[0].how

    @property
    def failures(self) -> int:
        """Trainings that failed. They count as chance where networks are compared."""
        return sum(row.final is None for row in self.rows)

    @property
    def short(self) -> bool:
        """Whether the trainings show each image no more often than early stop does."""
        brief, full, images = self.facts.settings.recipe, self.rows[0].recipe, self.facts.data.sizes[0]

        def passes(recipe: Recipe) -> float:
            return recipe.epochs if recipe.steps is None else recipe.steps * recipe.batch / images

        return passes(full) <= passes(brief)


class Calibration(_Trainings[CalibrationRow]):
    """Candidates of all ranks, and what they tell."""

    @property
    def corrected(self) -> bool:
        """Whether the run's reward is another number than its accuracy."""
        return self.facts.settings.reward.corrects

    @property
    def finals(self) -> list[float]:
        return [row.accuracy(self.facts.data.chance) for row in self.rows]

    @cached_property
    def by_accuracy(self) -> Agreement:
        """How well early-stop accuracy told the final one."""
        return agreement([row.early for row in self.rows], self.finals)

    @cached_property
    def by_reward(self) -> Agreement:
        """How well the run's corrected reward told the final accuracy."""
        return agreement([row.reward for row in self.rows], self.finals)

    @cached_property
    def fit(self) -> RewardFit:
        """mu and rho that the networks that learned speak for, in the base of the run."""
        base = self.facts.settings.reward.base
        scale = 1.0 if base == "e" else math.log(base)
        learned = [row for row in self.rows if row.final is not None]
        return fitted(
            [max(row.early, self.facts.data.chance) for row in learned],
            [math.log(row.flops) / scale for row in learned],
            [math.log(row.density) / scale for row in learned],
            [row.final for row in learned if row.final is not None],
        )


class Proof(_Trainings[ProofRow]):
    """The best blocks of a run and random ones, all trained anew."""

    @property
    def evaluated(self) -> int:
        """Of how many trials the found blocks are the best."""
        return self.rows[0].evaluated

    @property
    def found(self) -> list[float]:
        """Final accuracies of the best blocks."""
        return self._accuracies("found")

    @property
    def random(self) -> list[float]:
        """Final accuracies of the random blocks."""
        return self._accuracies("random")

    def _accuracies(self, group: str) -> list[float]:
        return [row.accuracy(self.facts.data.chance) for row in self.rows if row.group == group]

    @property
    def complete(self) -> bool:
        """Whether there is enough for a comparison: two of each."""
        return min(len(self.found), len(self.random)) > 1

    @cached_property
    def improvement(self) -> Estimate | None:
        """Mean of the found less mean of the random, in points, with Welch's interval."""
        return difference(self.found, self.random) if self.complete else None

    @property
    def relative(self) -> float | None:
        """The same in percent of the random blocks' mean."""
        if not self.complete or not (mean := fmean(self.random)):
            return None
        return 100 * (fmean(self.found) - mean) / mean

    @cached_property
    def test(self) -> Permutation | None:
        """Whether found blocks are no better than random ones: one-sided permutation test."""
        return permutation(self.found, self.random) if self.complete else None


class Evidence(NamedTuple):
    """What full trainings tell of a run; None where there are none."""

    calibration: Calibration | None
    proof: Proof | None


def read(directory: Path, training: tuple[str, Recipe] | None = None) -> Evidence:
    """What lies in the run's directory, of that training (words, recipe).

    By default of the training with most rows in each file, of equals the one that was used last; of a
    proof in the run's latest state. InputError where it is no run, or for a damaged file, with its line.
    """
    calibration, proof = (
        rows_in(directory / CALIBRATION, CalibrationRow),
        rows_in(directory / PROOF, ProofRow),
    )
    with Store.read(directory) as store:
        facts = facts_of(store)
    chosen = of_training(calibration, training)
    latest = latest_state(of_training(proof, training))
    return Evidence(
        Calibration(tuple(chosen), facts, len(calibration) - len(chosen)) if chosen else None,
        Proof(tuple(latest), facts, len(proof) - len(latest)) if latest else None,
    )


def of_training(rows: Sequence[Row], training: tuple[str, Recipe] | None = None) -> list[Row]:
    """Those of one training; by default as `read` says."""
    if training is None and rows:
        counts = Counter(row.training for row in rows)
        training = max(reversed(rows), key=lambda row: counts[row.training]).training
    return [row for row in rows if row.training == training]


def latest_state(rows: Sequence[ProofRow]) -> list[ProofRow]:
    """Those whose found blocks are the best of the most trials."""
    most = max((row.evaluated for row in rows), default=0)
    return [row for row in rows if row.evaluated == most]


def rows_in(path: Path, kind: type[Row]) -> list[Row]:
    """The file's rows, none where it is missing; InputError names a damaged line.

    What follows the last line's end is what a kill cut off, and no row.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "content"
            raise InputError(
                f"{path}: line {number} is damaged: {where}: {first['msg']}"[:300]
            ) from None
    return rows
