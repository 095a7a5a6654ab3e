"""The actor on each node: its host, asked through Ray. Ray imports it there; it does not import Ray."""

import asyncio
import os
import platform
import queue
import threading
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from blockqnn.machine import memory_share
from blockqnn.records import Record, Task
from blockqnn.runtime.host import Host
from blockqnn.runtime.verdicts import Ending
from blockqnn.runtime.worker import named
from blockqnn.version import VERSION


def versions() -> dict[str, str]:
    """What must be the same on all machines of one search."""
    return {"blockqnn": VERSION, "Python": platform.python_version(), "torch": _installed("torch")}


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


class Hello(Record):
    """What a node says of itself."""

    versions: dict[str, str]
    memory: int | None  # bytes for each worker
    holds: bool  # the freight


class Node:
    """Evaluates tasks on its machine, as many at a time as it has workers.

    One thread drives the host; calls wait for its endings in Ray's event loop. An exception from a call
    means that the node is of no use; faults of candidates are endings.
    """

    def __init__(
        self,
        evaluator: str,
        specification: Mapping[str, Any],
        workers: int,
        timeout: float,
        memory: int | None,
    ) -> None:
        """As of `Host`; the GPUs are those that Ray lets this process see."""
        self._memory = memory or memory_share(workers)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        gpus = [gpu for gpu in visible.split(",") if gpu]
        self._make = partial(
            Host,
            evaluator,
            specification,
            workers=workers,
            timeout=timeout,
            memory=self._memory,
            gpus=gpus,
        )
        self._orders: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._waiting: dict[int, asyncio.Future[Ending]] = {}  # by task
        self._host: Host | None = None
        self._begun = threading.Lock()

    async def hello(self, freight: str, holds: str) -> str:
        """`Hello` as JSON. `holds` names a function; empty where nothing is shipped."""
        held = not holds or named(holds)(freight)
        return Hello(versions=versions(), memory=self._memory, holds=held).model_dump_json()

    async def install(self, function: str, name: str, files: list[str], *contents: Any) -> None:
        """Hands the freight, one content a file, to the function that is named."""
        named(function)(name, dict(zip(files, contents, strict=True)))

    async def attempt(self, task: str) -> str:
        """The task's `Ending`; both are JSON."""
        order = Task.model_validate_json(task)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Ending] = loop.create_future()
        self._waiting[order.number] = waiting
        self._orders.put(order)
        if self._host is not None:
            self._host.wake()
        elif self._begun.acquire(blocking=False):
            threading.Thread(target=self._drive, args=(loop,), daemon=True).start()
        return (await waiting).model_dump_json()

    def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        """For ever. Workers are this thread's children, and end with it."""
        try:
            self._host = self._make()
            while True:
                self._submit_all(self._host)
                for ending in self._host.wait():
                    loop.call_soon_threadsafe(self._answer, ending)
        except Exception as error:  # a host that cannot go on; its callers must hear of it
            loop.call_soon_threadsafe(self._give_up, RuntimeError(str(error)))

    def _submit_all(self, host: Host) -> None:
        while not self._orders.empty():
            host.submit(self._orders.get())

    def _answer(self, ending: Ending) -> None:
        self._waiting.pop(ending.number).set_result(ending)

    def _give_up(self, error: RuntimeError) -> None:
        while self._waiting:
            self._waiting.popitem()[1].set_exception(error)
