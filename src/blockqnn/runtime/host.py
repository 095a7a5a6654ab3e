"""A host: the workers of one machine, one supervised process a slot, reused while healthy."""

import math
import queue
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from blockqnn.machine import memory_share, usable_cores
from blockqnn.records import Failure, Measurement, Observation, Result, Task
from blockqnn.runtime.child import Child, Inbox, Message
from blockqnn.runtime.search import NoWorkerLeft
from blockqnn.runtime.verdicts import Ending, Fault, FaultKind
from blockqnn.runtime.worker import READY

WORKER = "blockqnn.runtime.worker"
_LOOK = 0.2  # seconds between two looks at deadlines and memory
_START_SECONDS = 180.0  # for a worker to become ready
_FAILED_STARTS = 3  # in a row; then the slot is given up
_OWN_DEATHS = tuple(
    -getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")
    if hasattr(signal, name)
)
_MEMORY_EVIDENCE = 0.8  # of the limit: a SIGKILL above it counts as out of memory


@dataclass
class _Slot:
    name: str
    gpu: str | None = None  # the only one that its worker sees
    worker: Child | None = None
    ready: bool = False
    task: Task | None = None
    begun: float = 0.0
    memory: int = 0  # bytes, at the last look
    failed_starts: int = 0


class Host:
    """Attempts tasks in child processes; no fault of one touches another.

    Whatever ends a worker ends the attempt, with the fault's kind; the slot gets another worker at once.
    """

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
        """`timeout` in seconds for a task, `memory` in bytes for a worker (None: its share).

        Without `workers` there is one a core. Where `gpus` are named, as CUDA_VISIBLE_DEVICES does, each
        worker sees one of them, in turn. The evaluator's specification tells the memory too.
        """
        count = workers or usable_cores()
        self._timeout = timeout
        self._memory = memory or memory_share(count)
        self._evaluator, self._specification = evaluator, {"memory": self._memory, **specification}
        self._inbox: Inbox = queue.SimpleQueue()
        self._slots = [
            _Slot(str(number), gpus[number % len(gpus)] if gpus else None) for number in range(count)
        ]
        self._queue: deque[Task] = deque()
        self._done: list[Ending] = []
        self._woken = False
        self._last_look = 0.0
        try:
            for slot in self._slots:
                self._start(slot)
        except BaseException:
            self.close()
            raise

    @property
    def free(self) -> int:
        idle = sum(slot.worker is not None and slot.task is None for slot in self._slots)
        return max(0, idle - len(self._queue))

    def submit(self, task: Task, *, first: bool = False) -> None:
        """Begins an attempt when a worker is ready, before all that wait or after them."""
        (self._queue.appendleft if first else self._queue.append)(task)
        self._hear_all()
        self._feed()

    def wake(self) -> None:
        """From any thread: `wait` returns now."""
        self._inbox.put(None)

    def wait(self, timeout: float | None = None) -> list[Ending]:
        """The attempts that ended, as soon as one has; none when woken or after `timeout` seconds."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        self._woken = False
        while not (self._done or self._woken) and (left := end - time.monotonic()) > 0:
            with suppress(queue.Empty):
                self._heard(self._inbox.get(timeout=min(_LOOK, left)))
            self._hear_all()
            if time.monotonic() - self._last_look >= _LOOK:
                self._look()
            self._feed()
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        for slot in self._slots:
            if slot.worker is not None:
                slot.worker.kill()
                slot.worker = None
        self._queue.clear()

    def _start(self, slot: _Slot) -> None:
        seen = {} if slot.gpu is None else {"CUDA_VISIBLE_DEVICES": slot.gpu}
        try:
            opening = {"specification": self._specification}
            slot.worker = Child(WORKER, [self._evaluator], opening, self._inbox, seen)
        except OSError as error:
            raise NoWorkerLeft(f"no worker starts: {error}") from error
        slot.ready, slot.task, slot.memory = False, None, 0

    def _feed(self) -> None:
        """Gives queued tasks to ready, idle workers."""
        for slot in self._slots:
            if self._queue and slot.worker is not None and slot.ready and slot.task is None:
                slot.task, slot.begun = self._queue.popleft(), time.monotonic()
                slot.worker.send(slot.task)

    def _hear_all(self) -> None:
        while not self._inbox.empty():
            self._heard(self._inbox.get())

    def _heard(self, message: Message | None) -> None:
        if message is None:
            self._woken = True
            return
        worker, line = message
        slot = next((s for s in self._slots if s.worker is worker), None)
        if slot is None:  # it was replaced
            return
        if line is None:
            self._ended(slot, worker)
        elif slot.ready:
            self._answered(slot, worker, line)
        elif line == READY.encode():  # whatever else a starting Python says is no answer
            slot.ready, slot.failed_starts = True, 0

    def _answered(self, slot: _Slot, worker: Child, line: bytes) -> None:
        try:
            result = Result.model_validate_json(line)
        except ValidationError:
            result = None
        if slot.task is None or result is None or result.number != slot.task.number:
            worker.kill()
            self._fault(slot, "bad_result", repr(line[:80]))
            return
        self._finish(slot, result.outcome, result.observed.fingerprint)

    def _ended(self, slot: _Slot, worker: Child) -> None:
        status, words = worker.ended_by(), worker.last_words
        if not slot.ready:
            slot.failed_starts += 1
            slot.worker = None
            if slot.failed_starts < _FAILED_STARTS:
                self._start(slot)
            elif all(s.worker is None for s in self._slots):
                raise NoWorkerLeft(f"no worker starts: {words or f'exit status {status}'}")
        elif self._memory and slot.memory > _MEMORY_EVIDENCE * self._memory and status < 0:
            self._fault(slot, "memory", _gigabytes(slot.memory))
        elif status >= 0 or status in _OWN_DEATHS:
            self._fault(slot, "crash", f"exit status {status} {words}".strip())
        else:
            self._fault(slot, "loss")

    def _look(self) -> None:
        """Ends what is over its time or its memory."""
        self._last_look = now = time.monotonic()
        for slot in self._slots:
            if slot.worker is None:
                continue
            if slot.worker.is_dead() or (not slot.ready and now - slot.worker.started > _START_SECONDS):
                self._ended(slot, slot.worker)
                continue
            if not slot.ready:
                continue
            slot.memory = slot.worker.memory() or slot.memory
            if self._memory and slot.memory > self._memory:
                slot.worker.kill()
                self._fault(slot, "memory", _gigabytes(slot.memory))
            elif slot.task is not None and now - slot.begun > self._timeout:
                slot.worker.kill()
                self._fault(slot, "timeout", f"over {self._timeout:g} s")

    def _fault(self, slot: _Slot, kind: FaultKind, detail: str = "") -> None:
        """Ends the attempt, if there was one, and replaces the dead worker."""
        if slot.task is not None:
            self._finish(slot, Fault(kind=kind, detail=detail))
        self._start(slot)

    def _finish(
        self, slot: _Slot, outcome: Measurement | Failure | Fault, fingerprint: str = ""
    ) -> None:
        assert slot.task is not None
        seconds = time.monotonic() - slot.begun
        observed = Observation(seconds=seconds, worker=slot.name, fingerprint=fingerprint)
        self._done.append(Ending(number=slot.task.number, outcome=outcome, observed=observed))
        slot.task = None


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB in main memory"
