"""An executor whose results come in an order that is drawn."""

from random import Random

from blockqnn.records import Result, Task
from blockqnn.runtime.worker import Evaluate, attempt


class Shuffled:
    """So many slots; each wait ends some of their tasks, in an order: `rng` draws which and how."""

    def __init__(self, evaluate: Evaluate, slots: int, rng: Random) -> None:
        self._evaluate, self._slots, self._rng = evaluate, slots, rng
        self._tasks: list[Task] = []

    @property
    def free(self) -> int:
        return self._slots - len(self._tasks)

    def submit(self, task: Task) -> None:
        assert self.free, "submit only into a free slot"
        self._tasks.append(task)

    def wait(self, timeout: float | None = None) -> list[Result]:
        assert timeout is None, "there is no budget here"
        self._rng.shuffle(self._tasks)
        ended = self._rng.randrange(1, len(self._tasks) + 1)
        done, self._tasks = self._tasks[:ended], self._tasks[ended:]
        return [Result(number=t.number, outcome=attempt(self._evaluate, t)) for t in done]

    def close(self) -> None:
        self._tasks.clear()
