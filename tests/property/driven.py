"""One session of a search whose workers and whose store do what a test says.

The loop runs in a thread of its own that moves only when told to, one wait of its executor at a time;
executor, retries and store are the product's.
"""

import queue
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from blockqnn.config import PlanSettings
from blockqnn.records import Observation, Result, Task
from blockqnn.runtime import host
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.search import Progress, search
from blockqnn.runtime.store import Store, is_run
from blockqnn.runtime.worker import READY
from property.plain import PROBLEM, SIZE, TRIALS, agent, evaluate, kills_its_worker

SLOTS = 3
PATIENCE = 30.0  # seconds for a step of the loop, which takes milliseconds


class Crash(BaseException):
    """The coordinator dies here. No handler of the product may know it."""


class Worker:
    """Stands for a worker's process: has a task, and says what it is told to."""

    def __init__(self, _module, _arguments, _opening, inbox, _environment) -> None:
        self.task: Task | None = None
        self.started, self.last_words, self._status = time.monotonic(), "", 0
        self._inbox = inbox
        inbox.put((self, READY.encode()))

    def send(self, task: Task) -> None:
        self.task = task

    def answer(self) -> None:
        """What its task deserves; some tasks are the death of it."""
        assert self.task is not None
        if kills_its_worker(self.task.code):
            self.end(-signal.SIGSEGV)
            return
        line = true_result(self.task).model_dump_json()
        self.task = None
        self._inbox.put((self, line.encode() + b"\n"))

    def end(self, status: int) -> None:
        self.task, self._status = None, status
        self._inbox.put((self, None))

    def kill(self) -> None:
        self.task = None

    def is_dead(self) -> bool:
        return False  # it says so in the inbox

    def ended_by(self) -> int:
        return self._status

    def memory(self) -> int:
        return 0


def true_result(task: Task) -> Result:
    """Two kinds of machine, by the task: which kind says nothing of the outcome."""
    observed = Observation(fingerprint="AB"[task.number % 5 == 3])
    return Result(number=task.number, outcome=evaluate(task), observed=observed)


class BrittleStore(Store):
    """Dies at the next commit, before or after it, where `dies` says so."""

    dies = ""

    def add(self, *rows, **named) -> None:
        if self.dies == "before":
            raise Crash
        super().add(*rows, **named)
        if self.dies == "after":
            raise Crash


class Coordinator:
    """A session: begins the run or goes on with it, up to the first wait for its workers."""

    def __init__(self, directory: Path, seed: int, staleness: int) -> None:
        self.plan = PlanSettings(trials=TRIALS, iteration=SIZE, staleness=staleness, seed=seed)
        self.directory, self.agent = directory, agent(seed)
        self.submitted: list[Task] = []
        self.acknowledged: tuple[int, set[int]] = (0, set())  # trials, and results, by number
        self.progress: Progress | None = None
        self.ended = False  # by itself: the plan is done
        self._error: BaseException | None = None
        self._orders: queue.SimpleQueue[Callable[[], list[Result]]] = queue.SimpleQueue()
        self._stands: queue.SimpleQueue[None] = queue.SimpleQueue()  # the loop waits, or is over
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._until_it_stands()

    def workers(self) -> list[Worker]:
        """Those with a task, in the order of its number."""
        busy = [s.worker for s in self._executor._host._slots if s.worker and s.worker.task]
        return sorted(busy, key=lambda worker: worker.task.number)

    def arrive(
        self, heard: Callable[[list[Result]], list[Result]], answers: list[Worker], lost: list[Worker]
    ) -> None:
        """These workers answer, those are lost; `heard` turns what the executor makes of it into what
        the loop is told."""

        def order() -> list[Result]:
            for worker in answers:
                worker.answer()
            for worker in lost:
                worker.end(-signal.SIGKILL)
            return heard(self._executor.wait(0.001) if answers or lost else [])

        self._step(order)

    def crash(self, moment: str = "") -> None:
        """Dies now, or at the next commit, before or after it."""

        def order() -> list[Result]:
            raise Crash

        if moment:
            self.store.dies = moment
        else:
            self._step(order)

    @property
    def alive(self) -> bool:
        return not (self.ended or self._error)

    def _step(self, order: Callable[[], list[Result]]) -> None:
        self._orders.put(order)
        self._until_it_stands()

    def _until_it_stands(self) -> None:
        self._stands.get(timeout=PATIENCE)
        if not self.alive:
            self._thread.join(PATIENCE)
        if self._error and not isinstance(self._error, Crash):
            raise self._error

    def _run(self) -> None:
        try:
            facts = {"seed": self.plan.seed}
            if is_run(self.directory):
                self.store = BrittleStore.resume(self.directory)
            else:
                self.store = BrittleStore.create(self.directory, facts)
            with self.store, patch.object(host, "Child", Worker):
                self._executor = LocalExecutor("", {}, workers=SLOTS)
                search(PROBLEM, self.agent, self, self.store, self.plan, report=self._report)
            self.ended = True
        except BaseException as error:
            self._error = error
        finally:
            self._stands.put(None)

    def _report(self, progress: Progress) -> None:
        """What a user is shown."""
        self.progress = progress
        self.acknowledged = len(progress.fold.trials), set(progress.fold.arrived)

    # what the loop sees as its executor

    @property
    def free(self) -> int:
        return self._executor.free

    def submit(self, task: Task) -> None:
        self.submitted.append(task)
        self._executor.submit(task)

    def wait(self, timeout: float | None = None) -> list[Result]:
        assert timeout is None, "there is no budget here"
        self._stands.put(None)
        return self._orders.get()()

    def close(self) -> None:
        self._executor.close()
