"""The networks that a sample or a proof still lacks. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

from blockqnn.calibration.drawn import random_blocks, sample
from blockqnn.config import Recipe
from blockqnn.report.calibrated import (
    CALIBRATION,
    PROOF,
    CalibrationRow,
    ProofRow,
    Trained,
    of_training,
    rows_in,
)
from blockqnn.report.rows import RunView
from blockqnn.seeds import derive
from blockqnn.space.code import Block, parse
from blockqnn.space.operation import OwnOp


@dataclass(frozen=True)
class Planned:
    """A network to be trained fully, and what its row says besides that training."""

    label: str
    block: Block
    seed: int  # of its training, which no search has
    kind: type[Trained]
    known: dict[str, Any]

    @property
    def file(self) -> str:
        return CALIBRATION if self.kind is CalibrationRow else PROOF


def lacking_in_sample(
    view: RunView, operations: Sequence[OwnOp], k: int, training: tuple[str, Recipe]
) -> list[Planned]:
    """What the sample of k evaluated trials lacks of that training."""
    rows = of_training(rows_in(view.directory / CALIBRATION, CalibrationRow), training)
    seed, there = view.facts.settings.plan.seed, {row.trial for row in rows}
    return [
        Planned(
            label=f"sample, trial {entry.trial}",
            block=parse(entry.code, operations),
            seed=derive(seed, "calibration training", entry.trial),
            kind=CalibrationRow,
            known={"trial": entry.trial, "early": entry.accuracy, "reward": entry.reward},
        )
        for entry in sample(view.entries(), there, k, seed)
    ]


def lacking_in_proof(
    view: RunView, operations: Sequence[OwnOp], k: int, training: tuple[str, Recipe]
) -> list[Planned]:
    """What the proof lacks of that training: the k best and k random blocks, by turns.

    Rows from when the run had evaluated fewer trials do not count: its best were others.
    """
    entries, facts = view.finalists(), view.facts
    seed, now = facts.settings.plan.seed, {"evaluated": len(entries)}
    rows = of_training(rows_in(view.directory / PROOF, ProofRow), training)
    there = [row for row in rows if row.evaluated == len(entries)]
    trials = {row.trial for row in there if row.group == "found"}
    codes = {row.code for row in there if row.group == "random"}
    found = [
        Planned(
            label=f"found, trial {entry.trial}",
            block=parse(entry.code, operations),
            seed=derive(seed, "proof training, found", entry.trial),
            kind=ProofRow,
            known={"group": "found", "trial": entry.trial, **now},
        )
        for entry in entries[:k]
        if entry.trial not in trials
    ]
    keys = {view.trial(entry.trial).key for entry in entries[:k]}
    drawn = ((d, b) for d, b in random_blocks(facts, operations, keys) if str(b) not in codes)
    random = [
        Planned(
            label=f"random block {number}",
            block=block,
            seed=derive(seed, "proof training, random", draw),
            kind=ProofRow,
            known={"group": "random", "trial": None, **now},
        )
        for number, (draw, block) in enumerate(islice(drawn, max(0, k - len(codes))), len(codes) + 1)
    ]
    return [one for pair in zip_longest(found, random) for one in pair if one is not None]
