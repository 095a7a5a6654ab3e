"""How attempts end, and what their faults mean for a task: the same for every executor.

An attempt that lost its worker, or was ended, says nothing yet of the task: it is tried again, until
one fault has come so often that it counts as the candidate's own.
"""

from collections import Counter
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from blockqnn.records import Failure, FailureKind, Measurement, Observation, Record, Result

FaultKind = Literal["loss", "crash", "memory", "timeout", "bad_result"]

# by fault: so many times, and the task has this failure
LIMITS: MappingProxyType[FaultKind, tuple[int, FailureKind]] = MappingProxyType(
    {
        "loss": (3, "crashed"),  # killed from outside, or its machine was lost: mostly not its fault
        "crash": (2, "crashed"),  # ended by itself
        "memory": (2, "out_of_memory"),
        "timeout": (2, "timeout"),
        "bad_result": (2, "bad_result"),
    }
)


class Fault(Record):
    """Why an attempt gave no outcome."""

    type: Literal["fault"] = "fault"
    kind: FaultKind
    detail: str = ""


class Ending(Record):
    """How one attempt at a task ended, and where."""

    number: int  # the task's
    outcome: Annotated[Measurement | Failure | Fault, Field(discriminator="type")]
    observed: Observation


class Verdicts:
    """Counts the faults of each task that is not finished."""

    def __init__(self) -> None:
        self._faults: dict[int, Counter[FaultKind]] = {}

    def result(self, ending: Ending) -> Result | None:
        """The task's result, with the number of its attempts; None where it is to be tried again."""
        faults = self._faults.setdefault(ending.number, Counter())
        outcome = ending.outcome
        attempts = faults.total() + 1
        if isinstance(outcome, Fault):
            faults[outcome.kind] += 1
            limit, kind = LIMITS[outcome.kind]
            if faults[outcome.kind] < limit:
                return None
            outcome = Failure(kind=kind, detail=outcome.detail or f"{limit} workers were lost with it")
        del self._faults[ending.number]
        observed = ending.observed.model_copy(update={"attempts": attempts})
        return Result(number=ending.number, outcome=outcome, observed=observed)
