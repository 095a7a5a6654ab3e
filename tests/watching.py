"""Searches that train nothing, and a callback that remembers what it is called with."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from blockqnn import Callback, searching
from blockqnn.config import resolve
from blockqnn.records import Failure, Result, Task
from blockqnn.runtime.facts import RunFacts
from blockqnn.runtime.store import Store, is_run
from blockqnn.searching import go_on
from blockqnn.seeds import generator
from blockqnn.setup import OpenRun
from runs import Changed, pretended
from simulated import outcome

SETTINGS: dict[str, Any] = {
    "space": {"max_layers": 3},
    "agent": {"walks": 1},
    "reward": {"mu": 1.0, "rho": -8.0, "density": "raw"},  # a repeat may have another than its first
    "plan": {"trials": 40, "iteration": 8, "seed": 1},
}


class Untidy:
    """An executor of three slots where chance draws what finishes next, up to two at a time."""

    def __init__(self, seed: int) -> None:
        self._rng = generator(seed, "untidy")
        self._running: list[Task] = []
        self.finished: list[int] = []  # trials, in the order in which their results were handed out

    @property
    def free(self) -> int:
        return 3 - len(self._running)

    def submit(self, task: Task) -> None:
        self._running.append(task)

    def wait(self, timeout: float | None = None) -> list[Result]:  # noqa: ARG002
        done = self._rng.sample(self._running, self._rng.randint(1, min(2, len(self._running))))
        self._running = [task for task in self._running if task not in done]
        self.finished += [task.number for task in done]
        return [Result(number=t.number, outcome=made_up(t)) for t in done]

    def close(self) -> None:
        pass


def made_up(task: Task) -> Any:
    """From the code alone; every fourth code or so fails."""
    failed = generator(0, task.code).random() < 0.25
    return Failure(kind="no_learning") if failed else outcome(task)


class Remembers(Callback):
    """All calls, as (method, arguments); `also` is called first with each."""

    def __init__(self, also=lambda _method, *_: None) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._also = also

    def of(self, method: str) -> list[tuple[Any, ...]]:
        return [arguments for name, arguments in self.calls if name == method]

    def trials(self) -> list[int]:
        return [trial.number for trial, _, _ in self.of("told")]

    def _call(self, method, *arguments):
        self._also(method, *arguments)
        self.calls.append((method, arguments))

    def begun(self, run):
        self._call("begun", run)

    def told(self, trial, outcome, reward):
        self._call("told", trial, outcome, reward)

    def iteration(self, row):
        self._call("iteration", row)

    def changed(self, progress):
        self._call("changed", progress)

    def ended(self, status):
        self._call("ended", status)


def interrupt_every(changes: int) -> Callback:
    """Ctrl-C at every so manyth change of the search."""
    number = count(1)

    def interrupt(_: Any) -> None:
        if next(number) % changes == 0:
            raise KeyboardInterrupt

    return Changed(interrupt)


def session(
    directory: Path, callbacks: Sequence[Callback] = (), executor: Any = None, **plan: Any
) -> Any:
    """The search in the directory from wherever it stands to its end; its executor."""
    changes = {**SETTINGS, "plan": {**SETTINGS["plan"], **plan}}
    facts: RunFacts = pretended("demo", changes)
    assert facts.settings == resolve("demo", changes)
    if is_run(directory):
        store = Store.resume(directory)
    else:
        store = Store.create(directory, {"run": facts.model_dump_json()})
    executor = executor or Untidy(0)
    with store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "_executor", lambda *_: executor)
        go_on(OpenRun(store, facts), monotonic(), callbacks, live=False)
    return executor
