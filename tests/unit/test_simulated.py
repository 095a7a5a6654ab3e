"""The simulated cluster by itself: each fault worked out by hand, and what rates promise."""

from collections import Counter

import pytest

from blockqnn.records import Failure, Task
from simulated import Faults, Simulated


class Scripted(Faults):
    """Faults by hand: {(task, attempt): (kind, share of its time)}."""

    def __new__(cls, script):
        one = super().__new__(cls)
        one.script = script
        return one

    def of(self, number, attempt):
        return self.script.get((number, attempt), ("", 0.0))


def task(number):
    return Task(number=number, code=str(number), seed=0)


def cluster(script=None, slots=4, seconds=10.0, **others):
    return Simulated(slots, lambda _: seconds, faults=Scripted(script or {}), **others)


def answers(executor, tasks, until=1000.0):
    """(moment, number, kind or "", attempts) of each result, all tasks begun at once."""
    for number in range(tasks):
        executor.submit(task(number))
    told = []
    while executor.now < until and executor.running:
        for result in executor.wait():
            kind = result.outcome.kind if isinstance(result.outcome, Failure) else ""
            told.append((executor.now, result.number, kind, result.observed.attempts))
    return told


def rest(executor):
    """Results that come when nothing is waited for any more."""
    executor.submit(task(99))
    return [r.number for _ in range(9) if executor.running for r in executor.wait() if r.number != 99]


def test_without_faults_all_end_together_and_speeds_divide_the_time():
    assert answers(cluster(), 2) == [(10.0, 0, "", 1), (10.0, 1, "", 1)]
    executor = cluster(slots=2, node=1, speeds=(1.0, 4.0))
    assert sorted(answers(executor, 2))[0][0] == 2.5
    assert executor.now == 10.0


def test_a_lost_worker_costs_an_attempt_and_its_slot_is_back_later():
    executor = cluster({(0, 0): ("lost", 0.3)}, slots=1, down=5.0)
    assert answers(executor, 1) == [(3.0 + 5.0 + 10.0, 0, "", 2)]
    assert executor.met == {"lost": 1}
    assert executor.idle(18.0) == pytest.approx(5 / 18)


def test_the_third_loss_of_a_task_is_its_fault():
    script = {(0, attempt): ("lost", 0.5) for attempt in range(9)}
    assert answers(cluster(script), 1) == [(15.0, 0, "crashed", 3)]


def test_a_node_takes_all_its_workers_along_busy_or_not():
    executor = cluster({(0, 0): ("node", 0.5)}, slots=4, node=2, down=100.0)
    # workers are taken from the last one on: task 0 and 1 share the second node
    assert answers(executor, 3) == [(10.0, 2, "", 1), (15.0, 0, "", 2), (20.0, 1, "", 2)]
    assert executor.free == 2


def test_a_late_answer_is_put_aside_wherever_it_falls():
    for share, ended in ((0.2, 12.0), (0.9, 19.0)):
        executor = cluster({(0, 0): ("late", share)})
        assert answers(executor, 1) == [(ended, 0, "", 2)]
        assert rest(executor) == []
        assert executor.met == {"late": 1, "late answer": 1}
        assert executor.free == 4


def test_a_second_answer_is_put_aside():
    executor = cluster({(0, 0): ("duplicate", 0.5)})
    assert answers(executor, 1) == [(10.0, 0, "", 1)]
    assert rest(executor) == []
    assert executor.met == {"second answer": 1}


def test_unfiltered_all_that_comes_is_handed_on():
    script = {(0, 0): ("duplicate", 0.5), (1, 0): ("late", 0.2)}
    executor = cluster(script, filtered=False)
    assert [told[:2] for told in answers(executor, 2)] == [(10.0, 0), (10.0, 1), (12.0, 1)]
    assert rest(executor) == [0]


def test_a_wait_ends_at_its_time_with_nothing():
    executor = cluster()
    executor.submit(task(0))
    assert executor.wait(4.0) == []
    assert executor.now == 4.0
    assert [r.number for r in executor.wait(6.0)] == [0]


def test_what_the_coordinator_takes_passes_here_too():
    moments = iter([0.0, 0.0, 0.5, 1.5, 2.0, 2.0, 2.5, 6.5, 7.0])
    executor = cluster(clock=lambda: next(moments))  # made; two calls submit, two wait
    executor.submit(task(0))
    executor.submit(task(1))
    assert [r.number for r in executor.wait()] == [0]
    assert executor.now == 10.0
    # from 1 to 5 a commit: task 1, begun at 1, ends at 11 of the cluster's time and not before 14
    assert [r.number for r in executor.wait()] == [1]
    assert executor.now == 14.0


def test_rates_are_met_and_every_task_gives_one_result():
    faults = Faults(duplicate=0.01, lost=0.02, late=0.03, node=0.005, seed=1)
    executor = Simulated(50, lambda t: 1.0 + t.number % 7, faults=faults, speeds=(1.0, 2.0), down=3.0)
    given, told = 0, Counter()
    while given < 5000 or executor.running:
        while given < 5000 and executor.free:
            executor.submit(task(given))
            given += 1
        told.update(r.number for r in executor.wait())
    assert set(told) == set(range(5000))
    assert set(told.values()) == {1}
    for kind, expected in (("second answer", 50), ("lost", 100), ("late", 150), ("node", 25)):
        assert abs(executor.met[kind] - expected) < 5 * expected**0.5
