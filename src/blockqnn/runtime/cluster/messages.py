"""What the coordinator and the process that speaks with Ray say to each other, a line of JSON each."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from blockqnn.records import Record, Task
from blockqnn.runtime.verdicts import Ending

NODE = "blockqnn.runtime.cluster.node:Node"
STOP = 10.0  # seconds for Ray to stop in order; then all that it began is killed


class Freight(Record):
    """Files that each node must hold before it evaluates, shipped through Ray's object store.

    `holds` and `install`, as MODULE:FUNCTION, are called on the node: with the name alone, and with
    the name and each file's bytes by its name.
    """

    name: str
    files: dict[str, str]  # by name: where they lie here
    holds: str
    install: str


class Opening(Record):
    """How the cluster is reached, and what its nodes shall do."""

    evaluator: str
    specification: dict[str, Any]
    address: str | None  # None: a private cluster of this machine
    unauthenticated: bool  # whether a cluster that asks nobody for a token will do
    workers: int | None  # of all nodes together at most
    per_gpu: int | None  # None: the candidates are trained on cores
    timeout: float  # seconds for an attempt
    memory: int | None  # bytes for a worker; None: its share of its node
    freight: Freight | None
    node: str = NODE  # the actor's class, as MODULE:CLASS


class Begin(Record):
    """Down: an attempt on a node that joined."""

    type: Literal["begin"] = "begin"
    attempt: int
    node: str
    task: Task


class Drop(Record):
    """Down: a node that no longer answers; its attempts count as lost already."""

    type: Literal["drop"] = "drop"
    node: str


class Joined(Record):
    """Up: a node that can evaluate."""

    type: Literal["joined"] = "joined"
    node: str
    name: str  # for people
    slots: int
    memory: int | None  # bytes for each of its workers


class Left(Record):
    """Up: a node that is gone; what it was doing is lost."""

    type: Literal["left"] = "left"
    node: str
    why: str


class Ended(Record):
    """Up: how an attempt ended; it may come after the node has left."""

    type: Literal["ended"] = "ended"
    attempt: int
    ending: Ending


DOWN: TypeAdapter[Begin | Drop] = TypeAdapter(Annotated[Begin | Drop, Field(discriminator="type")])
UP: TypeAdapter[Joined | Left | Ended] = TypeAdapter(
    Annotated[Joined | Left | Ended, Field(discriminator="type")]
)
