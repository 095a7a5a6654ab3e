"""A cluster in virtual time: what workers would do, and what befalls them, in no time at all.

Time passes where it is waited for, and with a clock what the coordinator takes. One seed of the faults
gives one history.
"""

import heapq
import math
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from blockqnn.records import Failure, Measurement, Observation, Result, Task, Trial
from blockqnn.runtime.verdicts import LIMITS
from blockqnn.seeds import generator

LOSSES, KIND = LIMITS["loss"]  # so many, and what the task then is


class Faults(NamedTuple):
    """Of all attempts, the share that each fault befalls; an attempt has one of them at most."""

    duplicate: float = 0.0  # its answer comes twice
    lost: float = 0.0  # its worker dies on the way
    late: float = 0.0  # its worker is cut off and given up, works on, and answers when nobody asks
    node: float = 0.0  # its node dies on the way, with all workers there
    seed: int = 0

    def of(self, number: int, attempt: int) -> tuple[str, float]:
        """The fault that an attempt meets ("" for none), and at which share of its time."""
        rng = generator(self.seed, "fault", number, attempt)
        drawn, where = rng.random(), rng.random()
        for kind, share in zip(self._fields[:-1], self[:-1], strict=True):
            if drawn < share:
                return kind, where
            drawn -= share
        return "", where


NONE = Faults()


def outcome(task: Task) -> Measurement:
    """Made up, from the code alone."""
    return Measurement(accuracy=float(len(set(task.code)) * 7 % 101), flops=1000, params=10)


class Unwritten:
    """A store that starts empty and forgets: thousands of commits would take minutes."""

    def trials(self) -> list[Trial]:
        return []

    def results(self) -> list[Result]:
        return []

    def add(self, *_: object, **__: object) -> None:
        pass


@dataclass(eq=False, slots=True)
class _Attempt:
    task: Task
    worker: int
    begun: float
    cut_off: bool = False  # its worker cannot be heard, and may work on
    over: bool = False  # it has answered, or has died


class Simulated:
    """So many slots; a task takes `seconds(task)` of a worker of speed 1.

    An answer that was had already, or of an attempt that was given up, is put aside as a real executor
    does that knows each attempt: every task gives one result. Unfiltered, all are handed on.
    """

    def __init__(
        self,
        slots: int,
        seconds: Callable[[Task], float],
        *,
        evaluate: Callable[[Task], Measurement | Failure] = outcome,
        speeds: Sequence[float] = (1.0,),
        faults: Faults = NONE,
        node: int = 8,
        down: float = 0.0,
        filtered: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`speeds` of nodes in turn, each with `node` slots; a dead worker is back after `down` seconds.

        With a clock, what passes on it between two calls passes here too: the coordinator's own time.
        """
        self._slots, self._seconds, self._evaluate = slots, seconds, evaluate
        self._speeds, self._faults, self._node, self._down = speeds, faults, node, down
        self._filtered, self._clock = filtered, clock
        self._idle = dict.fromkeys(range(slots))  # a set, whose last one is taken at once
        self._running: dict[int, _Attempt] = {}  # by worker, those that are waited for
        self._again: deque[Task] = deque()  # to be tried once more
        self._losses: Counter[int] = Counter()  # by task
        self._coming: list[tuple[float, int, Callable[..., None], Any]] = []  # a heap, by the moment
        self._planned = 0
        self._done: list[Result] = []
        self._begins, self._ends = array("d"), array("d")  # of attempts
        self._left_at = clock() if clock else 0.0
        self.now = 0.0
        self.submitted: list[int] = []  # the tasks' numbers
        self.met: Counter[str] = Counter()  # faults, and answers put aside

    @property
    def free(self) -> int:
        return max(0, len(self._idle) - len(self._again))

    @property
    def running(self) -> int:
        """Tasks without a result."""
        return len(self._running) + len(self._again)

    def submit(self, task: Task) -> None:
        assert self.free, "submit only into a free slot"
        self.submitted.append(task.number)
        self._pass()
        self._again.append(task)
        self._feed()
        self._left()

    def wait(self, timeout: float | None = None) -> list[Result]:
        assert self.running or self._done, "nothing was submitted"
        self._pass()
        end = math.inf if timeout is None else self.now + timeout
        while self._coming and (self._due(self.now) or (not self._done and self._due(end))):
            moment, _, happens, what = heapq.heappop(self._coming)
            self.now = max(self.now, moment)
            happens(what)
            self._feed()
        if not self._done:
            self.now = end
        self._left()
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        self._running.clear()
        self._again.clear()
        self._coming.clear()

    def idle(self, until: float) -> float:
        """The share of the slots' time up to a moment without an attempt that was waited for."""
        spans = zip(self._begins, self._ends, strict=True)
        busy = sum(min(end, until) - begin for begin, end in spans if begin < until)
        return 1 - busy / (self._slots * until)

    def _pass(self) -> None:
        """The time that the coordinator took."""
        if self._clock:
            self.now += self._clock() - self._left_at

    def _left(self) -> None:
        """From here on it is the coordinator's time again; what is simulated takes none."""
        if self._clock:
            self._left_at = self._clock()

    def _due(self, until: float) -> bool:
        return self._coming[0][0] <= until

    def _plan(self, moment: float, happens: Callable[..., None], what: Any) -> None:
        self._planned += 1  # among equal moments, in the order in which they were planned
        heapq.heappush(self._coming, (moment, self._planned, happens, what))

    def _feed(self) -> None:
        while self._again and self._idle:
            task, (worker, _) = self._again.popleft(), self._idle.popitem()
            attempt = self._running[worker] = _Attempt(task, worker, self.now)
            takes = self._seconds(task) / self._speeds[worker // self._node % len(self._speeds)]
            self._plan(self.now + takes, self._answers, attempt)
            kind, share = self._faults.of(task.number, self._losses[task.number])
            if kind == "duplicate":
                self._plan(self.now + (1 + share) * takes, self._answers_again, attempt)
            elif kind:
                happens = {"lost": self._dies, "late": self._is_cut_off, "node": self._node_dies}[kind]
                self._plan(self.now + share * takes, happens, attempt)

    def _answers(self, attempt: _Attempt) -> None:
        if attempt.over:
            return
        attempt.over = True
        self._idle[attempt.worker] = None
        if attempt.cut_off:
            self._aside(attempt, "late answer")
        else:
            self._leaves(attempt)
            attempts = self._losses.pop(attempt.task.number, 0) + 1
            self._hand_on(attempt, self._evaluate(attempt.task), attempts)

    def _answers_again(self, attempt: _Attempt) -> None:
        if not attempt.cut_off:  # else it died on the way, with its node
            self._aside(attempt, "second answer")

    def _aside(self, attempt: _Attempt, what: str) -> None:
        self.met[what] += 1
        if not self._filtered:
            self._hand_on(attempt, self._evaluate(attempt.task), 1)

    def _dies(self, attempt: _Attempt) -> None:
        if not attempt.over:
            self.met["lost"] += 1
            self._gone([attempt.worker])

    def _node_dies(self, attempt: _Attempt) -> None:
        if not attempt.over:
            self.met["node"] += 1
            first = attempt.worker // self._node * self._node
            self._gone(range(first, min(self._slots, first + self._node)))

    def _gone(self, workers: Sequence[int]) -> None:
        """They are dead, and back later; those that are dead or cut off already stay so."""
        for worker in workers:
            attempt = self._running.get(worker)
            if attempt:
                attempt.over = True
                self._give_up(attempt)
            elif worker in self._idle:
                del self._idle[worker]
            else:
                continue
            self._plan(self.now + self._down, self._is_back, worker)

    def _is_back(self, worker: int) -> None:
        self._idle[worker] = None

    def _is_cut_off(self, attempt: _Attempt) -> None:
        if not attempt.over:
            self.met["late"] += 1
            self._give_up(attempt)

    def _give_up(self, attempt: _Attempt) -> None:
        """Its task is tried once more, elsewhere; the third time it is taken for the culprit."""
        attempt.cut_off = True
        self._leaves(attempt)
        number = attempt.task.number
        self._losses[number] += 1
        if self._losses[number] < LOSSES:
            self._again.appendleft(attempt.task)
        else:
            del self._losses[number]
            failure = Failure(kind=KIND, detail=f"{LOSSES} workers were lost with it")
            self._hand_on(attempt, failure, LOSSES)

    def _leaves(self, attempt: _Attempt) -> None:
        del self._running[attempt.worker]
        self._begins.append(attempt.begun)
        self._ends.append(self.now)

    def _hand_on(self, attempt: _Attempt, what: Measurement | Failure, attempts: int) -> None:
        seconds = self.now - attempt.begun
        observed = Observation(seconds=seconds, worker=str(attempt.worker), attempts=attempts)
        self._done.append(Result(number=attempt.task.number, outcome=what, observed=observed))
