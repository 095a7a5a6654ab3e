"""The serial executor: one task at a time in this process, for tests and debugging."""

import time

from blockqnn.records import Result, Task
from blockqnn.runtime.worker import Evaluate, attempt


class SerialExecutor:
    """Evaluates a task when its result is waited for."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._task: Task | None = None

    @property
    def free(self) -> int:
        return 0 if self._task else 1

    def submit(self, task: Task) -> None:
        assert self._task is None, "one task at a time"
        self._task = task

    def wait(self) -> list[Result]:
        assert self._task is not None, "nothing was submitted"
        task, self._task = self._task, None
        begin = time.monotonic()
        outcome = attempt(self._evaluate, task)
        observed = {
            "seconds": time.monotonic() - begin,
            "worker": "serial",
            "fingerprint": getattr(self._evaluate, "fingerprint", ""),
        }
        return [Result.model_validate({"number": task.number, "outcome": outcome, "observed": observed})]

    def close(self) -> None:
        self._task = None
