"""What a run records: trials, and their outcomes as values. JSON both ways."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FailureKind = Literal[
    "over_limit",  # the 100th proposal of one trial over a limit of the space
    "no_learning",  # not above the majority class after the third restart
    "non_finite",  # loss or outcome is not a finite number
    "out_of_memory",
    "timeout",
    "crashed",  # the worker died of this candidate
    "error",  # the evaluation raised
    "bad_result",  # the worker's answer is not an outcome
]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Trial(Record):
    """A numbered proposal that the agent is told of."""

    number: int
    iteration: int
    code: str
    key: str
    density: float | None = None  # of this trial's block; None where the space has none
    redrawn: int = 0  # proposals over a limit that were dropped before this one
    redrawn_steps: int = 0  # their lengths, summed
    repeat_of: int | None = None  # the earliest trial with the same key, finished or in flight


class Measurement(Record):
    """What training a candidate gave."""

    type: Literal["measurement"] = "measurement"
    accuracy: Annotated[float, Field(ge=0, le=100)]  # percent, on the validation part
    flops: Annotated[int, Field(ge=0)]  # one image, 2 a multiply-add
    params: Annotated[int, Field(ge=0)]
    steps: int = 0  # of the training that counted
    restarts: int = 0


class Failure(Record):
    """Why a candidate has no measurement."""

    type: Literal["failure"] = "failure"
    kind: FailureKind
    detail: str = ""


Outcome = Annotated[Measurement | Failure, Field(discriminator="type")]
OUTCOME: TypeAdapter[Measurement | Failure] = TypeAdapter(Outcome)


class Observation(Record):
    """How an outcome came about: time and place, never part of the trajectory."""

    seconds: float = 0.0
    worker: str = ""
    attempts: int = 1
    fingerprint: str = ""  # instruction set or device, torch, threads
    source: str = ""  # the other run that the measurement was taken from


class Task(Record):
    """One evaluation to be done: all that travels to a worker."""

    number: int
    code: str
    seed: int


class Result(Record):
    """A task's outcome as the executor hands it back."""

    number: int
    outcome: Outcome
    observed: Observation = Observation()
