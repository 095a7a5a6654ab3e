"""The child process of one slot: `python -m blockqnn.runtime.worker MODULE:FUNCTION`.

Lines of JSON in, lines of JSON out. The first line in holds the specification that FUNCTION turns
into an evaluator; the first line out says that it is ready. Then one line for each task. The
process ends when its input does, or when its parent dies.
"""

import ctypes
import importlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from pydantic import ValidationError

from blockqnn.records import OUTCOME, Failure, Measurement, Observation, Result, Task
from blockqnn.runtime.child_side import taken

Evaluate = Callable[[Task], Measurement | Failure]
READY = "ready\n"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def named(text: str) -> Callable[..., Any]:
    """What MODULE:NAME names."""
    module, _, name = text.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def evaluator(name: str, specification: dict[str, Any]) -> Evaluate:
    """The evaluator that MODULE:FUNCTION makes of a specification."""
    evaluate: Evaluate = named(name)(specification)
    return evaluate


def attempt(evaluate: Evaluate, task: Task) -> Measurement | Failure:
    """The task's outcome: whatever goes wrong inside an evaluation becomes a value here."""
    try:
        return _checked(evaluate(task))
    except MemoryError:
        return Failure(kind="out_of_memory")
    except Exception as error:
        if _is_not_finite(error):
            return Failure(kind="non_finite", detail="an outcome that is no finite number")
        text = f"{type(error).__name__}: {error}"[:500]
        return Failure(kind="error", detail=text.encode(errors="backslashreplace").decode())


def _checked(outcome: object) -> Measurement | Failure:
    """The outcome, if it is one that can be stored."""
    if not isinstance(outcome, Measurement | Failure):
        raise TypeError(f"the evaluator returned {outcome!r}")
    return OUTCOME.validate_python(outcome.model_dump())


def _is_not_finite(error: Exception) -> bool:
    """Whether a record was refused for a NaN or an infinity."""
    return isinstance(error, ValidationError) and any(
        e["type"] == "finite_number" for e in error.errors()
    )


def main() -> None:
    start, questions, answers = taken()
    if start is None:
        return
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    _die_with(start["parent"])
    threading.Thread(target=_read, args=(questions, lines), daemon=True).start()
    evaluate = evaluator(sys.argv[1], start["specification"])
    answers.write(READY)
    while True:
        task = Task.model_validate_json(lines.get())
        outcome = attempt(evaluate, task)
        observed = Observation(fingerprint=getattr(evaluate, "fingerprint", ""))
        result = Result(number=task.number, outcome=outcome, observed=observed)
        answers.write(result.model_dump_json() + "\n")


def _read(source: BinaryIO, lines: "queue.SimpleQueue[bytes]") -> None:
    """Hands lines on; at their end the coordinator is gone, and so is this process's purpose."""
    for line in source:
        lines.put(line)
    os._exit(0)


def _die_with(parent: int) -> None:
    """Asks Linux to kill this process when its parent dies, even inside C code; its forks too."""
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl

    def request(parent: int) -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the request
            os._exit(0)

    request(parent)
    os.register_at_fork(after_in_child=lambda: request(os.getppid()))


if __name__ == "__main__":
    main()
