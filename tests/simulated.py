"""An executor in virtual time: what workers would do, in no time at all."""

from collections.abc import Callable

from blockqnn.records import Measurement, Result, Task


class Simulated:
    """So many slots; a task takes `seconds(task)` of a clock that only `wait` advances."""

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


def outcome(task: Task) -> Measurement:
    """Made up, from the code alone."""
    return Measurement(accuracy=float(len(set(task.code)) * 7 % 101), flops=1000, params=10)
