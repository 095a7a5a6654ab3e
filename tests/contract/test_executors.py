"""What the search relies on, the same for every executor."""

import sys
from contextlib import closing
from io import StringIO

import pytest

from blockqnn.records import Failure, Measurement, Task
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.serial import SerialExecutor
from faults.evaluators import make, measured
from faults.processes import nothing_left

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

SLOTS = {"serial": 1, "serial of three": 3, "one worker": 1, "two workers": 2}
CODES = ("good", "nap", "raise", "good", "memory_error", "nan", "infinite", "none", "nap", "print")
FAILURES = {
    "raise": Failure(kind="error", detail="ValueError: seven is not a kernel"),
    "memory_error": Failure(kind="out_of_memory"),
    "nan": Failure(kind="non_finite", detail="an outcome that is no finite number"),
    "infinite": Failure(kind="non_finite", detail="an outcome that is no finite number"),
    "none": Failure(kind="error", detail="TypeError: the evaluator returned nan"),
}
TASKS = [Task(number=10 + n, code=code, seed=n) for n, code in enumerate(CODES)]


def started(name, directory):
    specification = {"directory": str(directory)}
    if name.startswith("serial"):
        return SerialExecutor(make(specification), SLOTS[name])
    return LocalExecutor("faults.evaluators:make", specification, workers=SLOTS[name])


@pytest.mark.parametrize("name", SLOTS)
def test_each_task_gives_one_result_and_no_slot_is_used_twice(name, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO(""))
    waiting, running, results = TASKS[::-1], set(), []
    with nothing_left(), closing(started(name, tmp_path)) as executor:
        while waiting or running:
            while waiting and executor.free:
                executor.submit(waiting[-1])
                running.add(waiting.pop().number)
            assert len(running) <= SLOTS[name]
            assert executor.free == SLOTS[name] - len(running)
            done = executor.wait()
            assert done
            results += done
            running -= {result.number for result in done}
    assert sorted(result.number for result in results) == [task.number for task in TASKS]
    outcomes = {result.number: result.outcome for result in results}
    assert outcomes == {task.number: FAILURES.get(task.code) or measured(task) for task in TASKS}
    assert any(isinstance(outcome, Measurement) for outcome in outcomes.values())
    for result in results:
        assert result.observed.attempts == 1
        assert result.observed.fingerprint == "torch-free"
        assert result.observed.seconds >= 0.05 * (CODES[result.number - 10] == "nap")


@pytest.mark.parametrize("name", SLOTS)
def test_misuse_is_refused(name, tmp_path):
    with nothing_left(), closing(started(name, tmp_path)) as executor:
        with pytest.raises(AssertionError, match="nothing was submitted"):
            executor.wait()
        for task in TASKS[: SLOTS[name]]:
            executor.submit(task)
        with pytest.raises(AssertionError, match="free slot"):
            executor.submit(TASKS[-1])


@pytest.mark.parametrize("name", SLOTS)
def test_close_drops_what_is_in_flight_and_may_come_twice(name, tmp_path):
    with nothing_left() as alive:
        executor = started(name, tmp_path)
        executor.submit(TASKS[0])
        executor.wait()
        while executor.free:
            executor.submit(Task(number=0, code="hang", seed=0))
        executor.close()
        assert not alive()
        executor.close()
