"""The serial executor: evaluates in this process, for tests, debugging and instant evaluations."""

import time

from blockqnn.records import Observation, Result, Task
from blockqnn.runtime.worker import Evaluate, attempt


class SerialExecutor:
    """Evaluates what was submitted, in order, when its results are waited for.

    More than one slot only makes sense for instant evaluations: their results come, and are
    stored, together. An evaluation that has begun is waited for, whatever the time.
    """

    def __init__(self, evaluate: Evaluate, slots: int = 1) -> None:
        self._evaluate = evaluate
        self._slots = slots
        self._tasks: list[Task] = []

    @property
    def free(self) -> int:
        return self._slots - len(self._tasks)

    def submit(self, task: Task) -> None:
        assert self.free, "submit only into a free slot"
        self._tasks.append(task)

    def wait(self, timeout: float | None = None) -> list[Result]:  # noqa: ARG002
        assert self._tasks, "nothing was submitted"
        tasks, self._tasks = self._tasks, []
        return [self._result(task) for task in tasks]

    def close(self) -> None:
        self._tasks.clear()

    def _result(self, task: Task) -> Result:
        begin = time.monotonic()
        outcome = attempt(self._evaluate, task)
        observed = Observation(
            seconds=time.monotonic() - begin,
            worker="serial",
            fingerprint=getattr(self._evaluate, "fingerprint", ""),
        )
        return Result(number=task.number, outcome=outcome, observed=observed)
