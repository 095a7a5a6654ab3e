"""A recorded run, gone through once more from its events: the same search, or it was none."""

from collections.abc import Sequence
from typing import Any

from blockqnn.config import PlanSettings
from blockqnn.records import Failure, Measurement, Result, Task, Trial
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.pace import Recorded
from blockqnn.runtime.search import Problem, Strategy, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store
from blockqnn.runtime.worker import Evaluate


def retrace(
    problem: Problem[Any, Any],
    strategy: Strategy,
    plan: PlanSettings,
    recorded: Fold,
    shares: Sequence[float],
    store: Store,
    evaluate: Evaluate | None = None,
) -> Fold:
    """Proposes and tells all trials of a run anew, one after another, into an empty store.

    Of the old run only the shares at which its iterations began, and which trials were dropped when
    its budget ended, are taken; outcomes too, unless `evaluate` measures them anew. Without changes of
    its plan on the way the new fold has the trajectory of the old one.
    """
    outcomes = {t.number: recorded.outcome(t) for t in recorded.trials}

    def known(task: Task) -> Measurement | Failure:
        outcome = outcomes[task.number]
        assert outcome is not None, "dropped trials are never submitted"
        return outcome

    executor = _WithoutDropped(evaluate or known, recorded.unfinished())
    sizes = [len(iteration) for iteration in recorded.iterations]
    pace = Recorded(shares, sizes, len(recorded.arrived))
    return search(problem, strategy, executor, store, plan, pace=pace)


class _WithoutDropped:
    """A serial executor that takes the trials that the recorded run dropped, and drops them too."""

    def __init__(self, evaluate: Evaluate, dropped: Sequence[Trial]) -> None:
        self._serial = SerialExecutor(evaluate)
        self._dropped = {trial.number for trial in dropped}

    @property
    def free(self) -> int:
        return self._serial.free

    def submit(self, task: Task) -> None:
        if task.number not in self._dropped:
            self._serial.submit(task)

    def wait(self, timeout: float | None = None) -> list[Result]:
        return self._serial.wait(timeout)

    def close(self) -> None:
        self._serial.close()
