"""An executor that starts at the first need: a finished run needs no worker."""

from collections.abc import Callable

from blockqnn.records import Result, Task
from blockqnn.runtime.search import Executor


class LazyExecutor:
    """Stands for the executor that `start` makes."""

    def __init__(self, start: Callable[[], Executor]) -> None:
        self._start = start
        self._executor: Executor | None = None

    @property
    def free(self) -> int:
        return self._started().free

    def submit(self, task: Task) -> None:
        self._started().submit(task)

    def wait(self, timeout: float | None = None) -> list[Result]:
        return self._started().wait(timeout)

    def close(self) -> None:
        if self._executor is not None:
            self._executor.close()

    def _started(self) -> Executor:
        if self._executor is None:
            self._executor = self._start()
        return self._executor
