"""What a worker can do to a search: nothing but the stated verdict on its own task."""

import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from itertools import count, pairwise

import pytest

from blockqnn.records import Measurement, Task
from blockqnn.runtime import host
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.search import NoWorkerLeft
from faults.clusters import cluster, needs_ray, ray_executor
from faults.evaluators import measured
from faults.processes import command_of, nothing_left, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

TIMEOUT, MEMORY = 1.0, 150_000_000
MAKE = "faults.evaluators:make"


class Pair:
    """Two slots: one task is watched while the other slot has naps to do."""

    def __init__(self, directory, alive, make=LocalExecutor, **options):
        self.directory, self.alive = directory, alive
        self.numbers = count()
        specification = {"directory": str(directory)}
        self.executor = make(MAKE, specification, workers=2, timeout=TIMEOUT, memory=MEMORY, **options)
        self.watch("good")  # both are ready

    def workers(self):
        """All processes that are workers, or forks of them."""
        return {pid for pid in self.alive() if b"blockqnn.runtime.worker" in command_of(pid)}

    def watch(self, code):
        """The task and its result, and when the results of the naps came."""
        watched = self.task(code)
        found, naps = None, [time.monotonic()]
        self.executor.submit(watched)
        while found is None or self.executor.free < 2:
            while found is None and self.executor.free:
                self.executor.submit(self.task("nap"))
            for result in self.executor.wait():
                if result.number == watched.number:
                    found = result
                else:
                    assert isinstance(result.outcome, Measurement)
                    assert result.observed.attempts == 1
                    naps.append(time.monotonic())
        return watched, found, naps

    def task(self, code):
        number = next(self.numbers)
        return Task(number=number, code=code, seed=number)

    def attempts(self, number):
        """The processes that tried it."""
        return [int(pid) for pid in (self.directory / str(number)).read_text().split()]

    def assert_both_serve(self):
        """Soon both slots finish tasks, in the only two processes that live."""
        serving = set()

        def both():
            tasks = [self.task("nap") for _ in range(2)]
            for task in tasks:
                self.executor.submit(task)
            while self.executor.free < 2:
                self.executor.wait()
            serving.update(self.attempts(task.number)[0] for task in tasks)
            return len(serving) == 2 and serving == self.workers()

        wait_for(both, 2)


@pytest.fixture(scope="module", params=["local", pytest.param("ray", marks=needs_ray)])
def pair(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("attempts")
    with nothing_left() as alive, ExitStack() as stack:
        options = {}
        if request.param == "ray":
            address = stack.enter_context(cluster("add 2")).address
            options = {"make": ray_executor, "address": address}
        pair = Pair(directory, alive, **options)
        stack.enter_context(closing(pair.executor))
        yield pair


@pytest.mark.parametrize(
    ("deed", "kind", "attempts", "detail"),
    [
        ("kill", "crashed", 3, "3 workers were lost with it"),
        ("terminate", "crashed", 3, "3 workers were lost with it"),
        ("shut", "crashed", 3, "3 workers were lost with it"),
        ("exit", "crashed", 2, "exit status 3"),
        ("sys_exit", "crashed", 2, "exit status 1 enough"),
        ("segv", "crashed", 2, "exit status -11"),
        ("abort", "crashed", 2, "exit status -6"),
        ("fork_and_exit", "crashed", 2, "exit status 3"),
        ("hang", "timeout", 2, "over 1 s"),
        ("hang_in_c", "timeout", 2, "over 1 s"),
        ("stop", "timeout", 2, "over 1 s"),
        ("fork_and_hang", "timeout", 2, "over 1 s"),
        ("hog", "out_of_memory", 2, "GB in main memory"),
        ("hog_and_die", "out_of_memory", 2, "0.1 GB in main memory"),
        ("garbage", "bad_result", 2, r"b'\xff{]\n'"),
        ("wrong_number", "bad_result", 2, '{"number":'),
        ("too_good", "bad_result", 2, "1e+308"),
        ("endless", "bad_result", 2, "xxxx"),
        ("flood", "bad_result", 2, '{"number": 0}'),
        ("odd_text", "error", 1, "OSError: no such file: \\udcff→"),
    ],
)
def test_verdict(pair, deed, kind, attempts, detail):
    begin = time.monotonic()
    task, result, naps = pair.watch(deed)
    assert result.outcome.kind == kind
    assert detail in result.outcome.detail
    assert result.observed.attempts == attempts == len(pair.attempts(task.number))
    if kind == "timeout":
        assert 2 * TIMEOUT <= time.monotonic() - begin < 2 * (TIMEOUT + 2)
        assert len(naps) > 5
    assert max(b - a for a, b in pairwise(naps)) < 2, "the other slot stood still"
    pair.assert_both_serve()


@pytest.mark.parametrize(
    "code",
    [
        "kill kill good",
        "exit good",
        "segv good",
        "stop good",
        "hog good",
        "garbage good",
        "kill kill exit hang garbage good",  # each fault is counted for itself
        "print",
        "fork",
    ],
)
def test_fault_below_its_limit_leaves_no_trace_in_the_outcome(pair, code):
    task, result, _ = pair.watch(code)
    assert result.outcome == measured(task)
    assert result.observed.attempts == len(code.split()) == len(pair.attempts(task.number))


def test_process_that_a_good_evaluation_left_dies_with_its_worker(pair):
    task, _, _ = pair.watch("fork")
    assert len(pair.workers()) > 2
    os.kill(pair.attempts(task.number)[0], signal.SIGKILL)
    wait_for(lambda: len(pair.workers()) <= 2, 3)
    pair.assert_both_serve()


def test_idle_worker_that_was_killed_is_replaced(pair):
    killed = pair.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not killed & pair.workers(), 2)
    time.sleep(0.1)  # for its end to be heard of: else the next task is given to a dead worker
    task, result, _ = pair.watch("good")
    assert result.outcome == measured(task)
    assert result.observed.attempts == 1
    pair.assert_both_serve()


def test_idle_worker_that_was_stopped_costs_one_deadline(pair):
    os.kill(min(pair.workers()), signal.SIGSTOP)
    begin = time.monotonic()
    # that take a while, else the other worker may be free again in time for both
    tasks = {task.number: task for task in (pair.task("nap"), pair.task("nap"))}
    for task in tasks.values():
        pair.executor.submit(task)
    first, second = pair.executor.wait() + pair.executor.wait()
    assert TIMEOUT <= time.monotonic() - begin < TIMEOUT + 2
    for result, attempts in ((first, 1), (second, 2)):
        assert result.outcome == measured(tasks[result.number])
        assert result.observed.attempts == attempts
    pair.assert_both_serve()


def test_process_that_escaped_cannot_hold_its_slot(pair):
    _, result, _ = pair.watch("escape_and_exit")
    assert (result.outcome.kind, result.observed.attempts) == ("crashed", 2)
    wait_for(lambda: len(pair.workers()) == 2, 5)
    pair.assert_both_serve()


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_process_that_cannot_be_killed_is_left_behind(tmp_path, monkeypatch):
    """As with a hung GPU: simulated by kills without effect."""
    with nothing_left() as alive:
        pair = Pair(tmp_path, alive)
        with closing(pair.executor), monkeypatch.context() as patch:
            patch.setattr(os, "killpg", lambda *_: None)
            patch.setattr(subprocess.Popen, "kill", lambda *_: None)
            task, result, naps = pair.watch("stop good")
            assert result.outcome == measured(task)
            assert len(naps) > 5
            patch.undo()
            stuck = pair.attempts(task.number)[0]
            os.kill(stuck, signal.SIGKILL)
            os.waitpid(stuck, 0)  # nobody else waits for it any more
            pair.assert_both_serve()
        gc.collect()


@pytest.mark.parametrize(
    ("evaluator", "words"),
    [
        ("faults.nowhere:make", "ModuleNotFoundError: No module named 'faults.nowhere'"),
        ("faults.evaluators:nothing", "has no attribute 'nothing'"),
        ("faults.evaluators:broken", "ValueError: no evaluator today"),
        ("faults.evaluators:never_ready", "exit status -9"),
    ],
)
def test_no_worker_starts(evaluator, words, monkeypatch):
    if "never_ready" in evaluator:
        monkeypatch.setattr(host, "_START_SECONDS", 1.0)
    begin = time.monotonic()
    with nothing_left(), closing(LocalExecutor(evaluator, {}, workers=2)) as executor:
        executor.submit(Task(number=0, code="good", seed=0))
        with pytest.raises(NoWorkerLeft, match="no worker starts: ") as caught:
            executor.wait()
    assert words in str(caught.value)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(("broken", "slots"), [((0, 1), 2), ((1, 2, 3), 1)])
def test_failed_starts_cost_a_slot_only_when_three_follow_each_other(tmp_path, broken, slots):
    specification = {"directory": str(tmp_path), "broken": broken}
    evaluator = "faults.evaluators:sometimes_broken"
    with (
        nothing_left() as alive,
        closing(LocalExecutor(evaluator, specification, workers=2)) as executor,
    ):
        numbers, results = iter(range(100)), []
        while len(list(tmp_path.glob("start-*"))) < len(broken) + slots or len(alive()) != slots:
            executor.submit(Task(number=next(numbers), code="nap", seed=0))
            results += executor.wait()
        assert executor.free == slots
        assert all(isinstance(result.outcome, Measurement) for result in results)


def test_what_python_says_while_it_starts_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('welcome', flush=True)\n")
    monkeypatch.syspath_prepend(tmp_path)
    specification = {"directory": str(tmp_path)}
    with nothing_left(), closing(LocalExecutor(MAKE, specification, workers=1)) as executor:
        executor.submit(task := Task(number=0, code="good", seed=0))
        (result,) = executor.wait()
    assert (result.outcome, result.observed.attempts) == (measured(task), 1)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["starting", "busy"])
def test_workers_end_with_their_coordinator(tmp_path, sent, moment):
    codes = ["hang", "hang_in_c", "stop", "fork_and_hang"]
    with nothing_left() as alive:
        arguments = [sys.executable, "-m", "faults.driver", "hold", tmp_path, moment, *codes]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as driver:
            assert driver.stdout is not None
            assert driver.stdout.readline() == f"{moment}\n"
            assert len(alive()) > len(codes)
            driver.send_signal(sent)
            driver.wait(5)
        wait_for(lambda: not alive(), 2)
