"""The local executor: the workers of this machine."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from blockqnn.records import Result, Task
from blockqnn.runtime.host import Host
from blockqnn.runtime.verdicts import Verdicts


class LocalExecutor:
    """Evaluates tasks on this machine's host; a faulty attempt is tried again as the verdicts say."""

    def __init__(
        self,
        evaluator: str,
        specification: Mapping[str, Any],
        *,
        workers: int | None = None,
        timeout: float = 3600.0,
        memory: int | None = None,
        gpus: Sequence[str] = (),
    ) -> None:
        """As of `Host`."""
        self._host = Host(
            evaluator, specification, workers=workers, timeout=timeout, memory=memory, gpus=gpus
        )
        self._verdicts = Verdicts()
        self._tasks: dict[int, Task] = {}  # not finished, by number

    @property
    def free(self) -> int:
        return self._host.free

    def submit(self, task: Task) -> None:
        assert self.free, "submit only into a free slot"
        self._tasks[task.number] = task
        self._host.submit(task)

    def wait(self, timeout: float | None = None) -> list[Result]:
        assert self._tasks, "nothing was submitted"
        end = math.inf if timeout is None else time.monotonic() + timeout
        results: list[Result] = []
        while not results and (left := end - time.monotonic()) > 0:
            for ending in self._host.wait(left):
                if result := self._verdicts.result(ending):
                    results.append(result)
                    del self._tasks[result.number]
                else:
                    self._host.submit(self._tasks[ending.number], first=True)
        return results

    def close(self) -> None:
        self._tasks.clear()
        self._host.close()
