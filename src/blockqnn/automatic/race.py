"""Rounds in which networks are trained for equal times, side by side in worker processes."""

import heapq
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from blockqnn.automatic import job
from blockqnn.automatic.job import TRAINER, Job
from blockqnn.automatic.session import Session
from blockqnn.config import Recipe
from blockqnn.journal import Row, Stage
from blockqnn.network.plan import Skeleton
from blockqnn.records import Measurement, Result, Task
from blockqnn.runtime.lazy import LazyExecutor
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.slots import slots_of


@dataclass(frozen=True)
class Entry:
    """A network that takes part, and in words what is varied."""

    name: str
    code: str | None  # None: a linear model of the pixels
    skeleton: Skeleton
    recipe: Recipe
    choice: str = ""
    weight: float = 1.0  # of its time, among the others'


class Races:
    """Runs rounds; the workers start at the first need and are closed with it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        execution = session.settings.execution
        slots = slots_of(execution, session.journal.device)
        self.workers = slots.workers
        specification = {
            "settings": session.settings.model_dump_json(),
            "digest": session.journal.data.digest,
            "device": session.journal.device,
        }
        self._executor = LazyExecutor(
            lambda: LocalExecutor(
                TRAINER,
                specification,
                **slots._asdict(),
                timeout=2 * session.journal.budget + 60,
                memory=execution.memory,
            )
        )

    def close(self) -> None:
        """Ends the workers."""
        self._executor.close()

    def round(self, stage: Stage, number: int, entries: Sequence[Entry], seconds: float) -> list[Row]:
        """Trains each entry so long that the round takes `seconds`; the rows in the entries' order.

        Those that the journal has from an earlier session are not trained again.
        """
        session = self._session
        known = {(row.name, row.choice): row for row in session.rows(stage, number)}
        missing = [e for e in entries if (e.name, e.choice) not in known]
        session.work.mkdir(exist_ok=True)
        waiting = deque(sorted(missing, key=lambda entry: -entry.weight))
        unit = seconds / _makespan(sorted((e.weight for e in entries), reverse=True), self.workers)
        if known:  # as long as those of the session before
            done = [e for e in entries if e not in missing]
            unit = max((known[e.name, e.choice].seconds / e.weight for e in done), default=unit)
        running: dict[int, Entry] = {}
        while waiting or running:
            while waiting and self._executor.free:
                entry = waiting.popleft()
                task = entries.index(entry)
                order = Job(
                    code=entry.code,
                    skeleton=entry.skeleton,
                    recipe=entry.recipe,
                    seconds=max(1.0, unit * entry.weight),
                    seed=session.journal.seed,
                    out=os.fspath(session.file(stage, number, entry.name, entry.choice).absolute()),
                )
                self._executor.submit(Task(number=task, code=order.model_dump_json(), seed=0))
                running[task] = entry
            for result in self._executor.wait():
                entry = running.pop(result.number)
                row = self._row(stage, number, entry, result)
                session.add(row)
                session.say(told(row))
                known[row.name, row.choice] = row
        return [known[entry.name, entry.choice] for entry in entries]

    def _row(self, stage: Stage, number: int, entry: Entry, result: Result) -> Row:
        outcome, measured = result.outcome, isinstance(result.outcome, Measurement)
        path = self._session.file(stage, number, entry.name, entry.choice)
        left = job.read(path) if measured and path.exists() else None
        return Row(
            stage=stage,
            round=number,
            name=entry.name,
            choice=entry.choice,
            code=entry.code,
            skeleton=entry.skeleton,
            recipe=entry.recipe,
            accuracy=outcome.accuracy if isinstance(outcome, Measurement) else None,
            failure="" if isinstance(outcome, Measurement) else f"{outcome.kind} {outcome.detail}",
            params=outcome.params if isinstance(outcome, Measurement) else 0,
            flops=outcome.flops if isinstance(outcome, Measurement) else 0,
            epochs=round(left.epochs, 3) if left else 0.0,
            steps=outcome.steps if isinstance(outcome, Measurement) else 0,
            seconds=round(result.observed.seconds, 3),
        )


def _makespan(weights: Sequence[float], workers: int) -> float:
    """How long the workers take where each begins the next of the weights when it is free."""
    ends = [0.0] * workers
    for weight in weights:
        heapq.heapreplace(ends, ends[0] + weight)
    return max(ends)


def told(row: Row) -> str:
    """A trained network in a line."""
    what = f"  {row.name}" + (f", {row.choice}" if row.choice else "")
    if row.accuracy is None:
        return f"{what}: {row.failure}"
    epochs = f", {row.epochs:.3g} epochs" if row.epochs else ""
    return (
        f"{what}: validation {row.accuracy:.2f} %"
        f" ({row.params:,} parameters{epochs} in {row.seconds:.0f} s)"
    )
