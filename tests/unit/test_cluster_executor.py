"""What the executor of a cluster makes of what it hears; the cluster is played by the test."""

import time
from typing import ClassVar

import pytest

from blockqnn.records import Failure, Measurement, Observation, Task
from blockqnn.runtime.cluster import executor as module
from blockqnn.runtime.cluster.messages import DOWN, Begin, Drop, Ended, Joined, Left
from blockqnn.runtime.search import NoWorkerLeft
from blockqnn.runtime.verdicts import Ending, Fault
from faults.clusters import ray_executor

GOOD = Measurement(accuracy=50, flops=1000, params=10)


class Bridge:
    """Stands for the process that speaks with Ray: what it was told, and what it says."""

    started: ClassVar[list["Bridge"]] = []
    swept: ClassVar[list[int]] = []  # sessions of which nothing is left
    joins = (("a", 1, None),)
    last_words = "the head is gone"

    def __init__(self, _module, _arguments, _opening, inbox):
        self.inbox, self.told, self.closed = inbox, [], False
        self.pid = len(Bridge.started)  # whose session is only pretended to be killed
        Bridge.started.append(self)
        for name, slots, memory in self.joins:
            self.says(Joined(node=name, name=name.upper(), slots=slots, memory=memory))

    def says(self, message):
        self.inbox.put((self, message.model_dump_json().encode()))

    def ends(self):
        self.inbox.put((self, None))

    def ended_by(self):
        return 1

    def send(self, message):
        self.told.append(DOWN.validate_json(message.model_dump_json()))

    def close(self, _patience):
        self.closed = True

    def begun(self):
        """Attempts as (attempt, node, task)."""
        return [(m.attempt, m.node, m.task.number) for m in self.told if isinstance(m, Begin)]

    def ended(self, attempt, task, outcome=GOOD):
        ending = Ending(number=task, outcome=outcome, observed=Observation(worker="0"))
        self.says(Ended(attempt=attempt, ending=ending))


@pytest.fixture
def nodes(monkeypatch):
    """Starts an executor with these nodes: its name, slots and memory each. Itself, bridge, words."""
    monkeypatch.setattr(module, "Child", Bridge)
    monkeypatch.setattr(module, "_LOOK", 0.01)
    monkeypatch.setattr(Bridge, "started", [])
    monkeypatch.setattr(Bridge, "swept", [])
    monkeypatch.setattr(module, "kill_session", Bridge.swept.append)

    def start(*joins, **options):
        monkeypatch.setattr(Bridge, "joins", joins)
        said = []
        return ray_executor("no:evaluator", {}, said=said, **options), Bridge.started[-1], said

    return start


def task(number):
    return Task(number=number, code="x", seed=number)


def test_slots_are_those_of_all_nodes_and_each_attempt_has_one(nodes):
    executor, bridge, _ = nodes(("a", 1, None), ("b", 2, None))
    for number in range(3):
        assert executor.free == 3 - number
        executor.submit(task(number))
    assert executor.free == 0
    assert sorted(node for _, node, _ in bridge.begun()) == ["a", "b", "b"]
    attempt, node, number = bridge.begun()[1]
    bridge.ended(attempt, number)
    (result,) = executor.wait()
    assert (result.number, result.outcome, result.observed.attempts) == (number, GOOD, 1)
    assert result.observed.worker == f"{node.upper()}/0"
    assert executor.free == 1
    executor.submit(task(7))
    assert bridge.begun()[-1][1] == node


def test_what_a_lost_node_did_is_done_elsewhere_and_each_result_counts_once(nodes):
    executor, bridge, said = nodes(("a", 1, None), ("b", 2, None))
    for number in range(2):
        executor.submit(task(number))
    (on_a,) = [(a, t) for a, node, t in bridge.begun() if node == "a"]
    bridge.says(Left(node="a", why="node A was lost"))
    assert executor.wait(0.05) == []
    assert said[-1] == "node A was lost, 1 attempts begin again elsewhere"
    again = bridge.begun()[-1]
    assert again[1:] == ("b", on_a[1])
    assert again[0] != on_a[0]
    bridge.ended(*again[::2])
    (result,) = executor.wait()
    assert (result.number, result.observed.attempts) == (on_a[1], 2)
    bridge.ended(*on_a)  # the lost node has come back
    (late,) = executor.wait(0.05)
    assert (late.number, late.observed.worker) == (on_a[1], "A/0")
    assert said[-1] == f"trial {on_a[1]}: a result of A came after that was given up"


def test_a_late_result_counts_where_it_is_the_first(nodes):
    executor, bridge, _ = nodes(("a", 1, None), ("b", 1, None))
    executor.submit(task(0))
    ((first, node, _),) = bridge.begun()
    bridge.says(Left(node=node, why="node was lost"))
    executor.wait(0.05)
    second = bridge.begun()[-1][0]
    bridge.ended(first, 0)
    (result,) = executor.wait()
    assert (result.number, result.outcome) == (0, GOOD)
    assert executor.free == 0, "the other attempt has its slot until it ends"
    executor._tasks[9] = task(9)  # something to wait for
    bridge.ended(second, 0)
    assert [late.number for late in executor.wait(0.05)] == [0]
    assert executor.free == 1


def test_the_third_loss_is_the_candidate_s_own(nodes):
    executor, bridge, _ = nodes(("a", 1, None), ("b", 1, None), ("c", 1, None))
    executor.submit(task(0))
    for loss in range(3):
        node = bridge.begun()[loss][1]
        bridge.says(Left(node=node, why=f"node {node} was lost"))
        results = executor.wait(0.05)
    assert [(r.outcome.kind, r.observed.attempts) for r in results] == [("crashed", 3)]
    assert len({node for _, node, _ in bridge.begun()}) == 3


def test_a_faulty_attempt_is_tried_again_where_most_memory_is(nodes):
    executor, bridge, _ = nodes(("a", 1, 10), ("b", 1, 30), ("c", 1, 20))
    executor.submit(task(0))
    ((attempt, first, _),) = bridge.begun()
    bridge.ended(attempt, 0, Fault(kind="memory", detail="too much"))
    executor.wait(0.05)
    attempt, second, _ = bridge.begun()[-1]
    assert second == ("b" if first != "b" else "c")
    bridge.ended(attempt, 0, Fault(kind="memory", detail="too much"))
    (result,) = executor.wait()
    assert result.outcome == Failure(kind="out_of_memory", detail="too much")
    assert result.observed.attempts == 2


def test_losing_ray_costs_what_is_in_flight_and_blames_nobody(nodes, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    executor, bridge, said = nodes(("a", 2, None))
    executor.submit(task(0))
    executor.submit(task(1))
    for attempt in range(4):  # more often than a candidate may be lost
        bridge.ends()
        assert executor.wait(0.05) == []
        assert "lost contact with Ray (the head is gone)" in " ".join(said)
        bridge = Bridge.started[-1]
        assert len(Bridge.started) == attempt + 2
        assert sorted(number for _, _, number in bridge.begun()) == [0, 1]
    for attempt, _, number in bridge.begun():
        bridge.ended(attempt, number)
    assert [r.observed.attempts for r in executor.wait()] == [1, 1]
    assert Bridge.swept == [0, 1, 2, 3]
    executor.close()
    assert Bridge.swept == [0, 1, 2, 3, 4]


def test_a_cluster_that_stays_away_ends_the_search(nodes, monkeypatch):
    naps = []
    monkeypatch.setattr(time, "sleep", naps.append)
    executor, bridge, _ = nodes(("a", 1, None))
    executor.submit(task(0))
    monkeypatch.setattr(Bridge, "joins", ())
    monkeypatch.setattr(Bridge, "__init__", lambda self, *parts: _silent(self, parts[-1]))
    bridge.ends()
    with pytest.raises(NoWorkerLeft, match="no contact with Ray: the head is gone"):
        executor.wait(5)
    assert naps == [2.0, 4.0, 8.0, 16.0]


def _silent(bridge, inbox):
    bridge.inbox, bridge.pid = inbox, 0
    bridge.ends()


def test_a_node_that_should_have_answered_long_ago_is_given_up(nodes, monkeypatch):
    monkeypatch.setattr(module, "_OVERDUE", 0.1)
    executor, bridge, said = nodes(("a", 1, None), ("b", 1, None), timeout=0.1)
    executor.submit(task(0))
    ((_, node, _),) = bridge.begun()
    begin = time.monotonic()
    while len(bridge.begun()) == 1:
        assert executor.wait(0.02) == []
        assert time.monotonic() - begin < 2
    assert time.monotonic() - begin >= 0.2
    assert Drop(node=node) in bridge.told
    assert any("does not answer" in line for line in said)
    assert bridge.begun()[-1][1] != node


def test_free_waits_for_a_node_when_nothing_else_would(nodes, monkeypatch):
    executor, bridge, _ = nodes(("a", 1, None))
    bridge.says(Left(node="a", why="node A was lost"))
    executor._heard_all(0)
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    with pytest.raises(NoWorkerLeft, match=r"no node of the Ray cluster joined within 0\.1 s"):
        executor.free  # noqa: B018
    bridge.says(Joined(node="b", name="B", slots=3, memory=None))
    assert executor.free == 3
