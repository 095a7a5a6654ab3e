"""Evaluators for worker children: torch-free, so that a worker starts at once.

`make` does what the task's code says, `pretend` gives outcomes that look like those of a search.
"""

import ctypes
import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from blockqnn.records import Failure, Measurement, Observation, Result, Task
from blockqnn.runtime.worker import Evaluate
from blockqnn.seeds import derive

ANSWERS = 4  # the worker's end of the protocol, for those that mean harm


def make(specification: dict[str, Any]) -> Evaluate:
    """Codes are deeds, one an attempt; the last one is done again and again.

    Every attempt leaves its process's number in the directory, in a file named after the task.
    """
    directory = Path(specification["directory"])

    def evaluate(task: Task) -> Measurement | Failure:
        log = directory / str(task.number)
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        deeds, attempt = task.code.split(), len(log.read_text().split())
        return DEEDS[deeds[min(attempt, len(deeds)) - 1]](task) or measured(task)

    evaluate.fingerprint = "torch-free"  # type: ignore[attr-defined]
    return evaluate


def measured(task: Task) -> Measurement:
    return Measurement(accuracy=derive(task.seed, task.code) % 9000 / 100 + 10, flops=1000, params=10)


def broken(_: dict[str, Any]) -> NoReturn:
    raise ValueError("no evaluator today")


def sometimes_broken(specification: dict[str, Any]) -> Evaluate:
    """Starts number `broken` fail, counted from 0."""
    for start in count():
        try:
            (Path(specification["directory"]) / f"start-{start}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return broken(specification) if start in specification["broken"] else make(specification)
    raise AssertionError


def told_place(specification: dict[str, Any]) -> Evaluate:
    """Tells the GPU that the worker sees, and the memory that it may take, once all workers are here."""
    directory, workers = Path(specification["directory"]), specification["workers"]

    def evaluate(_: Task) -> Measurement:
        (directory / str(os.getpid())).touch()
        while len(list(directory.iterdir())) < workers:
            time.sleep(0.01)
        gpu = int(os.environ["CUDA_VISIBLE_DEVICES"])
        return Measurement(accuracy=50, flops=gpu, params=specification["memory"])

    return evaluate


def held(specification: dict[str, Any]) -> Evaluate:
    """Evaluates if the data are in this machine's cache, the right ones."""
    from blockqnn.data.dataset import held as data

    assert data(specification["prepared"]).digest == specification["digest"]
    return measured


def never_ready(_: dict[str, Any]) -> NoReturn:
    time.sleep(1000)
    raise AssertionError


def pretend(specification: dict[str, Any]) -> Evaluate:
    """Outcomes that only the task decides, a tenth of them after a nap that nothing decides.

    With a `directory` the number of each process that has evaluated is left there.
    """
    nap, directory = specification["nap"], specification.get("directory")

    def evaluate(task: Task) -> Measurement | Failure:
        if directory:
            (Path(directory) / str(os.getpid())).touch()
        if random.SystemRandom().random() < 0.1:
            time.sleep(nap)
        rng = random.Random(derive(task.seed, task.code))
        if rng.random() < 0.15:
            return Failure(kind="no_learning", detail="pretended")
        return Measurement(
            accuracy=rng.uniform(20, 99),
            flops=rng.randrange(10_000, 1_000_000),
            params=rng.randrange(1000, 100_000),
            steps=100,
        )

    return evaluate


def pretend_at_once(_: dict[str, Any]) -> Evaluate:
    """`pretend`, where the specification is that of a real evaluator."""
    return pretend({"nap": 0})


def _nap(_: Task) -> None:
    time.sleep(0.05)


def _doze(_: Task) -> None:
    time.sleep(4)


def _raise(_: Task) -> NoReturn:
    raise ValueError("seven is not a kernel")


def _odd_text(_: Task) -> NoReturn:
    raise OSError("no such file: \udcff→")


def _memory_error(_: Task) -> NoReturn:
    raise MemoryError


def _kill(_: Task) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate(_: Task) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _segv(_: Task) -> None:
    ctypes.string_at(0)


def _hang(_: Task) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(0.01)


def _hang_in_c(_: Task) -> None:
    """Holds the interpreter's lock: no other thread of the worker runs."""
    ctypes.PyDLL(None).sleep(1000)


def _stop(_: Task) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _hog(_: Task) -> NoReturn:
    kept = []
    while True:
        kept.append(b"x" * 20_000_000)
        time.sleep(0.001)


def _hog_and_die(_: Task) -> None:
    """As the system does it to who takes too much: SIGKILL, at nearly all of the limit."""
    kept = mmap.mmap(-1, 100_000_000)
    for _ in range(100):
        kept.write(b"x" * 1_000_000)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(_: Task) -> None:
    os._exit(3)


def _sys_exit(_: Task) -> None:
    sys.exit("enough")


def _abort(_: Task) -> None:
    os.abort()


def _garbage(_: Task) -> None:
    os.write(ANSWERS, b"\xff{]\n")


def _wrong_number(task: Task) -> None:
    lie = Result(number=task.number + 1, outcome=measured(task), observed=Observation())
    os.write(ANSWERS, lie.model_dump_json().encode() + b"\n")


def _too_good(task: Task) -> None:
    lie = Result(number=task.number, outcome=measured(task).model_copy(update={"accuracy": 1e308}))
    os.write(ANSWERS, lie.model_dump_json().encode() + b"\n")


def _endless(_: Task) -> NoReturn:
    while True:
        os.write(ANSWERS, b"x" * 65536)


def _flood(_: Task) -> NoReturn:
    for number in count():
        os.write(ANSWERS, b'{"number": %d}\n' % number)
    raise AssertionError


def _shut(_: Task) -> None:
    """Can never answer, but lives."""
    os.close(ANSWERS)
    time.sleep(1000)


def _nan(_: Task) -> Measurement:
    return Measurement(accuracy=float("nan"), flops=1, params=1)


def _infinite(_: Task) -> Measurement:
    return Measurement.model_construct(accuracy=float("inf"), flops=1, params=1)


def _none(_: Task) -> Any:
    return float("nan")


def _print(_: Task) -> None:
    print("hello from an evaluator", flush=True)
    os.write(1, b"\xff raw bytes\n")
    print("no newline at the end", end="", flush=True)
    assert sys.stdin.read() == ""  # the tasks are not there


def _fork_and_exit(task: Task) -> None:
    _fork(task)
    os._exit(3)


def _fork(_: Task) -> None:
    """Leaves a child that holds every pipe of this process."""
    if os.fork() == 0:
        time.sleep(1000)


def _fork_and_hang(task: Task) -> NoReturn:
    _fork(task)
    _hang(task)


def _escape_and_exit(_: Task) -> None:
    """Leaves a child that left the process group, for two seconds."""
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(1, 0)
        time.sleep(2)
        os._exit(0)
    os._exit(3)


DEEDS: dict[str, Callable[[Task], Measurement | Failure | None]] = {
    "good": lambda _: None,
    **{
        deed.__name__.removeprefix("_"): deed
        for deed in (
            _nap, _doze, _raise, _odd_text, _memory_error, _kill, _terminate, _segv, _hang,
            _hang_in_c, _stop, _hog, _hog_and_die, _exit, _sys_exit, _abort, _garbage, _wrong_number,
            _too_good, _endless, _flood, _shut, _nan, _infinite, _none, _print, _fork,
            _fork_and_exit, _fork_and_hang, _escape_and_exit,
        )
    },
}  # fmt: skip
