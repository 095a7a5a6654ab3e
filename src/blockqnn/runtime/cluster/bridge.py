"""The process that speaks with Ray: `python -m blockqnn.runtime.cluster.bridge`.

Ray ends its driver from C++ when it loses the head, so the driver is not the coordinator but this
process: its end is the end of a pipe. Ray starts one actor a node and carries calls; attempts,
deadlines and retries are ours.
"""

import logging
import math
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

from pydantic import BaseModel

from blockqnn.machine import usable_cores
from blockqnn.runtime.child import kill_session
from blockqnn.runtime.child_side import taken
from blockqnn.runtime.cluster.messages import (
    DOWN,
    STOP,
    Begin,
    Ended,
    Joined,
    Left,
    Opening,
)
from blockqnn.runtime.cluster.node import Hello, versions
from blockqnn.runtime.verdicts import Ending
from blockqnn.runtime.worker import named

_LOOK = 5.0  # seconds between two looks at which nodes live
_STRIKES = 3  # times in a row that a node left without having finished anything; then it is left alone
Event = Callable[[], None]


class _Node(NamedTuple):
    actor: Any
    name: str
    slots: int


class Bridge:
    """Nodes that join and leave, and the calls to them. All of it happens in one thread."""

    def __init__(self, opening: Opening, events: "queue.SimpleQueue[Event]", answers: TextIO) -> None:
        self._opening, self._events, self._answers = opening, events, answers
        self._nodes: dict[str, _Node] = {}  # by Ray's id
        self._joined: set[str] = set()  # of these, what the coordinator knows
        self._strikes: Counter[str] = Counter()
        self._shipped: list[Any] = []  # references to the freight's contents

    def run(self) -> None:
        """Until the coordinator is gone, or Ray is."""
        import ray

        self._ray = ray
        address = self._opening.address
        begun: dict[str, Any] = {}
        if not address:
            cores = max(usable_cores(), self._opening.workers or 0)
            begun = {"num_cpus": cores, "include_dashboard": False}
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **begun,
        )
        while True:
            self._look()
            next_look = time.monotonic() + _LOOK
            while (left := next_look - time.monotonic()) > 0:
                with suppress(queue.Empty):
                    self._events.get(timeout=left)()

    def asked(self, line: bytes) -> None:
        """What the coordinator says."""
        order = DOWN.validate_json(line)
        if not isinstance(order, Begin):
            self._strikes[order.node] = _STRIKES
            self._joined.discard(order.node)
            self._leave(order.node)
        elif node := self._nodes.get(order.node):  # else it left, which the coordinator will hear
            self._call(
                node.actor.attempt.remote(order.task.model_dump_json()),
                partial(self._ended, order.attempt, order.node, node),
            )

    def stop(self) -> None:
        """The coordinator is gone."""
        self._ray.shutdown()
        os._exit(0)

    def _look(self) -> None:
        alive = {node["NodeID"]: node for node in self._ray.nodes() if node["Alive"]}
        for gone in self._nodes.keys() - alive.keys():
            self._leave(gone)
        for number, node in sorted(alive.items()):
            slots = self._slots(node["Resources"])
            if number not in self._nodes and slots and self._strikes[number] < _STRIKES:
                self._enter(number, node["NodeManagerAddress"], slots)

    def _slots(self, resources: dict[str, float]) -> int:
        gpus = self._opening.per_gpu
        has = int(resources.get("CPU", 0)) if gpus is None else int(resources.get("GPU", 0)) * gpus
        if self._opening.workers is None:
            return has
        return min(has, self._opening.workers - sum(node.slots for node in self._nodes.values()))

    def _enter(self, number: str, address: str, slots: int) -> None:
        """Starts the node's actor; it joins when it has greeted and holds the data."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        opening = self._opening
        needs = (
            {"num_cpus": slots}
            if opening.per_gpu is None
            else {"num_gpus": math.ceil(slots / opening.per_gpu)}
        )
        actor = (
            self._ray.remote(named(opening.node))
            .options(
                **needs,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=slots + 10,
                scheduling_strategy=NodeAffinitySchedulingStrategy(number, soft=False),
            )
            .remote(opening.evaluator, opening.specification, slots, opening.timeout, opening.memory)
        )
        node = self._nodes[number] = _Node(actor, f"{address} ({number[:6]})", slots)
        freight = opening.freight
        greeting = actor.hello.remote(freight.name if freight else "", freight.holds if freight else "")
        self._call(greeting, partial(self._greeted, number, node))

    def _greeted(self, number: str, node: _Node, answer: Callable[[], Any]) -> None:
        hello = self._told(number, node, lambda: Hello.model_validate_json(answer()))
        if hello is None:
            return
        ours = versions()
        if other := [f"{name} {v}" for name, v in hello.versions.items() if v != ours[name]]:
            self._strikes[number] = _STRIKES
            run = ", ".join(f"{name} {v}" for name, v in ours.items() if v != hello.versions[name])
            self._leave(number, f"has {', '.join(other)}, this run uses {run}; it is not used")
        elif hello.holds or self._opening.freight is None:
            self._join(number, node, hello)
        else:
            freight = self._opening.freight
            if not self._shipped:
                self._shipped = [self._contents(Path(path)) for path in freight.files.values()]
            call = node.actor.install.remote(
                freight.install, freight.name, list(freight.files), *self._shipped
            )
            self._call(call, partial(self._installed, number, node, hello))

    def _contents(self, path: Path) -> Any:
        import numpy as np

        return self._ray.put(np.fromfile(path, np.uint8))

    def _installed(self, number: str, node: _Node, hello: Hello, answer: Callable[[], Any]) -> None:
        if self._told(number, node, lambda: (answer(),)):
            self._join(number, node, hello)

    def _join(self, number: str, node: _Node, hello: Hello) -> None:
        self._joined.add(number)
        self._tell(Joined(node=number, name=node.name, slots=node.slots, memory=hello.memory))

    def _ended(self, attempt: int, number: str, node: _Node, answer: Callable[[], Any]) -> None:
        ending = self._told(number, node, lambda: Ending.model_validate_json(answer()))
        if ending is not None:
            self._strikes[number] = 0
            self._tell(Ended(attempt=attempt, ending=ending))

    def _told(self, number: str, node: _Node, answer: Callable[[], Any]) -> Any:
        """The answer; None where there is none, and then the node has left."""
        try:
            return answer()
        except Exception as error:  # of Ray's, and whatever the actor raised
            if self._nodes.get(number) is node:
                self._strikes[number] += 1
                lost = isinstance(error, self._ray.exceptions.RayActorError)
                self._leave(number, "" if lost else _words(error))
            return None

    def _leave(self, number: str, why: str = "") -> None:
        """Without a reason the node was lost, which is of interest only where it had joined."""
        if node := self._nodes.pop(number, None):
            with suppress(Exception):
                self._ray.kill(node.actor)
            if why or number in self._joined:
                self._tell(Left(node=number, why=f"node {node.name} {why or 'was lost'}"))
            self._joined.discard(number)

    def _call(self, reference: Any, then: Callable[[Callable[[], Any]], None]) -> None:
        """`then` is called with what gives the answer, in this thread."""
        reference.future().add_done_callback(
            lambda future: self._events.put(partial(then, future.result))
        )

    def _tell(self, message: BaseModel) -> None:
        self._answers.write(message.model_dump_json() + "\n")


def _words(error: Exception) -> str:
    """What ended a call: the cause of it, in a line."""
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines()
    return f"failed: {lines[0][:300] if lines else type(cause).__name__}"


def _read(questions: BinaryIO, events: "queue.SimpleQueue[Event]", bridge: Bridge) -> None:
    for line in questions:
        events.put(partial(bridge.asked, line))
    events.put(bridge.stop)
    time.sleep(STOP)
    kill_session(os.getpid())  # a call to Ray may wait a minute for a head that is gone too
    os._exit(1)


def main() -> None:
    os.umask(0o077)  # Ray writes its token with what it finds
    start, questions, answers = taken()
    if start is None:
        return
    del start["parent"]
    opening = Opening.model_validate(start)
    # read when Ray is imported
    os.environ["RAY_AUTH_MODE"] = "disabled" if opening.unauthenticated else "token"
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    bridge = Bridge(opening, events, answers)
    threading.Thread(target=_read, args=(questions, events, bridge), daemon=True).start()
    bridge.run()


if __name__ == "__main__":
    main()
