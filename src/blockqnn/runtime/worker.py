"""The child process of one slot: `python -m blockqnn.runtime.worker MODULE:FUNCTION`.

Lines of JSON in, lines of JSON out. The first line in holds the specification that FUNCTION turns
into an evaluator; the first line out says that it is ready. Then one line for each task. The
process ends when its input does, or when its parent dies.
"""

import ctypes
import importlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from blockqnn.records import Failure, Measurement, Observation, Result, Task

Evaluate = Callable[[Task], Measurement | Failure]
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def evaluator(name: str, specification: dict[str, Any]) -> Evaluate:
    """The evaluator that MODULE:FUNCTION makes of a specification."""
    module, _, function = name.partition(":")
    evaluate: Evaluate = getattr(importlib.import_module(module), function)(specification)
    return evaluate


def attempt(evaluate: Evaluate, task: Task) -> Measurement | Failure:
    """The task's outcome: whatever goes wrong inside an evaluation becomes a value here."""
    try:
        return evaluate(task)
    except MemoryError:
        return Failure(kind="out_of_memory")
    except Exception as error:
        return Failure(kind="error", detail=f"{type(error).__name__}: {error}"[:500])


def main() -> None:
    # Only the protocol goes to the real standard output; what libraries print goes to stderr.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    start = json.loads(sys.stdin.readline() or "null")
    if start is None:
        return
    _die_with(start["parent"])
    threading.Thread(target=_read, args=(sys.stdin, lines), daemon=True).start()
    evaluate = evaluator(sys.argv[1], start["specification"])
    answers.write(json.dumps({"ready": getattr(evaluate, "fingerprint", "")}) + "\n")
    while True:
        task = Task.model_validate_json(lines.get())
        outcome = attempt(evaluate, task)
        observed = Observation(fingerprint=getattr(evaluate, "fingerprint", ""))
        result = Result(number=task.number, outcome=outcome, observed=observed)
        answers.write(result.model_dump_json() + "\n")


def _read(source: TextIO, lines: "queue.SimpleQueue[str]") -> None:
    """Hands lines on; at their end the coordinator is gone, and so is this process's purpose."""
    for line in source:
        lines.put(line)
    os._exit(0)


def _die_with(parent: int) -> None:
    """Asks Linux to kill this process when its parent dies, even inside C code."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the request
            os._exit(0)


if __name__ == "__main__":
    main()
