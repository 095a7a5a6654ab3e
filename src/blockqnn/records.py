"""What a run records: trials, and their outcomes as values. JSON both ways."""

from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FailureKind = Literal[
    "over_limit",  # the 100th proposal of one trial over a limit of the space
    "over_latency",  # timed before its training, over the limit
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

    def model_post_init(self, _: object) -> None:
        """Which fields were given is never asked, and would be a third of a long run's memory."""
        object.__setattr__(self, "__pydantic_fields_set__", _fields(type(self)))


@cache
def _fields(kind: type[Record]) -> set[str]:
    return set(kind.model_fields)


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


class Latency(Record):
    """How long one image takes through a network on the device that measured it, in milliseconds."""

    milliseconds: Annotated[float, Field(gt=0)]  # the median of some passes
    noise: Annotated[float, Field(ge=0)]  # half of their interquartile range

    def __str__(self) -> str:
        return f"{self.milliseconds:.3f} ms (+- {self.noise:.3f})"


class Measurement(Record):
    """What training a candidate gave."""

    type: Literal["measurement"] = "measurement"
    accuracy: Annotated[float, Field(ge=0, le=100)]  # percent, on the validation part
    flops: Annotated[int, Field(ge=0)]  # one image, 2 a multiply-add
    params: Annotated[int, Field(ge=0)]
    steps: int = 0  # of the training that counted
    restarts: int = 0
    latency: Latency | None = None  # where it was asked for


class Failure(Record):
    """Why a candidate has no measurement."""

    type: Literal["failure"] = "failure"
    kind: FailureKind
    detail: str = ""


def over_latency(latency: Latency, limit: float | None) -> Failure | None:
    """The failure of a network whose median is above the limit in milliseconds; None below."""
    if limit is None or latency.milliseconds <= limit:
        return None
    return Failure(kind="over_latency", detail=f"{latency} for one image; the limit is {limit:g} ms")


Outcome = Annotated[Measurement | Failure, Field(discriminator="type")]
OUTCOME: TypeAdapter[Measurement | Failure] = TypeAdapter(Outcome)


def under_limit(
    outcome: Measurement | Failure, old: float | None, new: float | None
) -> Measurement | Failure | None:
    """An outcome where the limit of latency (milliseconds) is another one; None: to be evaluated."""
    if isinstance(outcome, Measurement):
        return (outcome.latency and over_latency(outcome.latency, new)) or outcome
    stricter = new is not None and old is not None and new <= old
    return outcome if stricter or outcome.kind != "over_latency" else None


class Observation(Record):
    """How an outcome came about: time and place, never part of the trajectory."""

    seconds: float = 0.0
    worker: str = ""
    attempts: int = 1
    fingerprint: str = ""  # instruction set or device, torch, threads, processor
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
