"""Runs of an outside optimizer on a table, counted as `blockqnn compare` counts its own."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from encoding import Encoding

from blockqnn.tables.table import Table


class Contender(Protocol):
    def ask(self) -> tuple[Any, Mapping[str, str]]:
        """Its own name for a trial, and a choice for each parameter."""
        ...

    def tell(self, trial: Any, reward: float | None) -> None:
        """Percent; None where the design was not measured."""
        ...


@dataclass(frozen=True)
class Reading:
    """A run when it had so many evaluations, or had spent its trials before."""

    evaluations: int  # asked for
    rows: tuple[int, ...]  # evaluated, in order, each another architecture
    trials: int  # with repeats, and designs that were not measured
    unmeasured: int
    cpu: float  # seconds of ask and tell, without the look-up
    wall: float


class Watch:
    """Adds up the seconds of what is called through it."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def call(self, what: Callable[..., Any], *arguments: Any) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        answer = what(*arguments)
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall
        return answer


def readings(
    contender: Contender,
    table: Table,
    designs: Encoding,
    reward: str,
    counts: Sequence[int],
    most_trials: int,
) -> Iterator[Reading]:
    """One run, read at each of the rising counts; a repeat is told what is stored and does not count."""
    rewards, watch = table.column(reward), Watch()
    rows: dict[str, int] = {}  # the first evaluated one of an architecture, by key
    trials = unmeasured = 0
    for count in counts:
        while len(rows) < count and trials < most_trials:
            trial, chosen = watch.call(contender.ask)
            row = designs.row(chosen)
            trials += 1
            if row is None:
                unmeasured += 1
                watch.call(contender.tell, trial, None)
                continue
            first = rows.setdefault(table.space.key(table.space.episodes[row]), row)
            watch.call(contender.tell, trial, float(rewards[first]))
        yield Reading(count, tuple(rows.values()), trials, unmeasured, watch.cpu, watch.wall)
