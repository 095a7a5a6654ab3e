"""Executors without workers: what these would do, in no time at all."""

from collections.abc import Callable
from random import Random

from blockqnn.records import Measurement, Result, Task
from blockqnn.runtime.worker import Evaluate, attempt


class Simulated:
    """So many slots; a task takes `seconds(task)` of a virtual clock, which only `wait` advances."""

    def __init__(self, slots: int, seconds: Callable[[Task], float]) -> None:
        self._slots, self._seconds = slots, seconds
        self._running: dict[float, list[Task]] = {}  # by the moment at which they end
        self.now = 0.0
        self.spans: list[tuple[float, float]] = []  # begin and end of each task, as submitted
        self.submitted: list[int] = []  # the tasks' numbers

    @property
    def free(self) -> int:
        return self._slots - sum(map(len, self._running.values()))

    def submit(self, task: Task) -> None:
        assert self.free, "submit only into a free slot"
        end = self.now + self._seconds(task)
        self._running.setdefault(end, []).append(task)
        self.spans.append((self.now, end))
        self.submitted.append(task.number)

    def wait(self, timeout: float | None = None) -> list[Result]:
        assert timeout is None, "there is no budget here"
        self.now = min(self._running)
        return [Result(number=t.number, outcome=outcome(t)) for t in self._running.pop(self.now)]

    def close(self) -> None:
        self._running.clear()

    def idle(self, until: float) -> float:
        """The share of the slots' time up to a moment in which they had nothing to do."""
        busy = sum(min(end, until) - begin for begin, end in self.spans if begin < until)
        return 1 - busy / (self._slots * until)


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


def outcome(task: Task) -> Measurement:
    """Made up, from the code alone."""
    return Measurement(accuracy=float(len(set(task.code)) * 7 % 101), flops=1000, params=10)
