"""The executor of a Ray cluster: attempts on its nodes, wherever a slot is free."""

import math
import queue
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import ValidationError

from blockqnn.records import Observation, Result, Task
from blockqnn.runtime.child import Child, Inbox, kill_session
from blockqnn.runtime.cluster.messages import (
    STOP,
    UP,
    Begin,
    Drop,
    Joined,
    Left,
    Opening,
)
from blockqnn.runtime.search import NoWorkerLeft
from blockqnn.runtime.verdicts import Ending, Fault, Verdicts

BRIDGE = "blockqnn.runtime.cluster.bridge"
_LOOK = 1.0  # seconds between two looks at what is overdue
_OVERDUE = 60.0  # seconds above its deadline after which a node is given up with its attempt
_PATIENCE = 180.0  # seconds until a node must have joined
_CONTACTS = 5  # times in a row that the contact may be lost before a node joined


@dataclass
class _Node:
    name: str
    slots: int
    memory: int | None
    attempts: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Attempt:
    task: Task
    node: str
    place: str  # the node's name
    begun: float


class RayExecutor:
    """Evaluates tasks on the nodes of a cluster; what a lost node was doing is tried on another.

    An attempt that was given up may still end: then its result is the task's, if it is the first one. A
    later one is handed on too, for whoever searches to keep aside.
    """

    def __init__(self, opening: Opening, say: Callable[[str], None] = lambda _: None) -> None:
        """Waits for the first node. `say` gets a line for people where something happens."""
        self._opening, self._say = opening, say
        self._verdicts = Verdicts()
        self._tasks: dict[int, Task] = {}  # not finished, by number
        self._queue: deque[Task] = deque()
        self._avoid: dict[int, set[str]] = {}  # by task: nodes on which it was tried
        self._nodes: dict[str, _Node] = {}
        self._attempts: dict[int, _Attempt] = {}  # in flight
        self._given_up: dict[int, _Attempt] = {}  # whose node was lost; one may yet answer
        self._next_attempt = 0
        self._contacts = 0  # without a node that joined
        self._last_look = time.monotonic()
        self._inbox: Inbox = queue.SimpleQueue()
        self._bridge = self._connected()
        try:
            self._await_node()
        except BaseException:
            self.close()
            raise

    @property
    def free(self) -> int:
        idle = self._idle()
        if not (idle or self._tasks):  # else nobody would wait for a node
            self._await_node()
            idle = self._idle()
        return max(0, idle)

    def submit(self, task: Task) -> None:
        assert self.free, "submit only into a free slot"
        self._tasks[task.number] = task
        self._queue.append(task)
        self._feed()

    def wait(self, timeout: float | None = None) -> list[Result]:
        assert self._tasks, "nothing was submitted"
        end = math.inf if timeout is None else time.monotonic() + timeout
        results: list[Result] = []
        while not results and (left := end - time.monotonic()) > 0:
            results += self._heard_all(min(left, _LOOK))
        return results

    def close(self) -> None:
        """Stops what runs; a private cluster is stopped too."""
        self._bridge.close(STOP)
        kill_session(self._bridge.pid)
        self._tasks.clear()
        self._queue.clear()

    def _idle(self) -> int:
        slots = sum(node.slots - len(node.attempts) for node in self._nodes.values())
        return slots - len(self._queue)

    def _connected(self) -> Child:
        return Child(BRIDGE, [], self._opening.model_dump(mode="json"), self._inbox)

    def _await_node(self) -> None:
        end = time.monotonic() + _PATIENCE
        while not self._nodes:
            self._heard_all(_LOOK)
            if time.monotonic() > end:
                raise NoWorkerLeft(f"no node of the Ray cluster joined within {_PATIENCE:g} s")

    def _heard_all(self, timeout: float) -> list[Result]:
        """Results of what the bridge says within that time, or at once where it has said something."""
        results: list[Result] = []
        with suppress(queue.Empty):
            message = self._inbox.get(timeout=timeout)
            while True:
                assert message is not None
                results += self._heard(*message)
                message = self._inbox.get_nowait()
        if time.monotonic() - self._last_look >= _LOOK:
            results += self._look()
        self._feed()
        return results

    def _heard(self, bridge: Child, line: bytes | None) -> list[Result]:
        if bridge is not self._bridge:
            return []
        if line is None:
            return self._lost_contact()
        try:
            said = UP.validate_json(line)
        except ValidationError:
            raise AssertionError(f"the bridge says {line[:200]!r}") from None
        if isinstance(said, Joined):
            self._contacts = 0
            self._nodes[said.node] = _Node(said.name, said.slots, said.memory)
            self._say(f"node {said.name} joined: {said.slots} at a time")
        elif isinstance(said, Left):
            return self._left(said.node, said.why)
        else:
            return self._ended(said.attempt, said.ending)
        return []

    def _ended(self, number: int, ending: Ending) -> list[Result]:
        if attempt := self._attempts.pop(number, None):
            self._nodes[attempt.node].attempts.discard(number)
        else:
            attempt = self._given_up.pop(number)
            self._say(f"trial {ending.number}: a result of {attempt.place} came after that was given up")
        return self._judged(attempt, ending)

    def _judged(self, attempt: _Attempt, ending: Ending) -> list[Result]:
        task = attempt.task
        place = "/".join(filter(None, [attempt.place, ending.observed.worker]))
        observed = ending.observed.model_copy(update={"worker": place})
        if task.number not in self._tasks:  # it has a result; the search keeps another one aside
            outcome = ending.outcome
            late = [] if isinstance(outcome, Fault) else [outcome]
            return [Result(number=task.number, outcome=o, observed=observed) for o in late]
        if result := self._verdicts.result(ending.model_copy(update={"observed": observed})):
            del self._tasks[task.number]
            self._avoid.pop(task.number, None)
            return [result]
        self._avoid.setdefault(task.number, set()).add(attempt.node)
        self._queue.appendleft(task)
        return []

    def _left(self, number: str, why: str) -> list[Result]:
        """What the node was doing is lost to it, and is tried on another."""
        node = self._nodes.pop(number, None)
        lost = sorted(node.attempts) if node else []
        again = f", {len(lost)} attempts begin again elsewhere" if lost else ""
        self._say(f"{why}{again}")
        results: list[Result] = []
        for attempt_number in lost:
            attempt = self._given_up[attempt_number] = self._attempts.pop(attempt_number)
            seconds = time.monotonic() - attempt.begun
            fault = Ending(
                number=attempt.task.number,
                outcome=Fault(kind="loss"),
                observed=Observation(seconds=seconds),
            )
            results += self._judged(attempt, fault)
        if not self._nodes and self._contacts == 0:
            self._say("no node is left; waiting for one")
        return results

    def _lost_contact(self) -> list[Result]:
        """The bridge is gone, and with it all attempts; no candidate is to blame."""
        status, words = self._bridge.ended_by(), self._bridge.last_words
        kill_session(self._bridge.pid)
        self._contacts += 1
        if self._contacts > _CONTACTS:
            raise NoWorkerLeft(f"no contact with Ray: {words or f'exit status {status}'}")
        why = f" ({words})" if words else ""
        self._say(f"lost contact with Ray{why}; connecting again (attempt {self._contacts})")
        self._nodes.clear()
        self._queue.extendleft(attempt.task for attempt in self._attempts.values())
        self._attempts.clear()
        self._given_up.clear()
        if self._contacts > 1:
            time.sleep(2.0 ** (self._contacts - 1))
        self._bridge = self._connected()
        return []

    def _look(self) -> list[Result]:
        """Gives up nodes that should have ended an attempt long ago."""
        self._last_look = now = time.monotonic()
        latest = now - self._opening.timeout - _OVERDUE
        overdue = {a.node for a in self._attempts.values() if a.begun < latest}
        results: list[Result] = []
        for number in sorted(overdue & self._nodes.keys()):
            self._bridge.send(Drop(node=number))
            results += self._left(number, f"node {self._nodes[number].name} does not answer")
        return results

    def _feed(self) -> None:
        while self._queue and any(n.slots > len(n.attempts) for n in self._nodes.values()):
            task = self._queue.popleft()
            if task.number not in self._tasks:  # a late result came
                continue
            number = self._place(task)
            self._next_attempt += 1
            node = self._nodes[number]
            self._attempts[self._next_attempt] = _Attempt(task, number, node.name, time.monotonic())
            node.attempts.add(self._next_attempt)
            self._bridge.send(Begin(attempt=self._next_attempt, node=number, task=task))

    def _place(self, task: Task) -> str:
        """A node with a free slot: one that has not failed the task, then the one with most memory a
        worker, then the least busy."""
        avoided = self._avoid.get(task.number, set())
        ready = [(n, node) for n, node in self._nodes.items() if node.slots > len(node.attempts)]
        return min(
            ready,
            key=lambda item: (
                item[0] in avoided,
                -(item[1].memory or 0) if avoided else 0,
                len(item[1].attempts) / item[1].slots,
            ),
        )[0]
