"""Runs command lines, each a JSON list on a line, in one process with a limit of memory.

Answers a line each: status, output, error text, seconds of the processor, and by how many bytes it grew.
"""

import contextlib
import io
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import datasets  # noqa: F401  # what is imported late would count as growth and time
import torch

from blockqnn import cli
from blockqnn.api import export, predict  # noqa: F401
from blockqnn.config import DataSettings
from blockqnn.data.dataset import load

ALLOWED = 3 << 30  # bytes of addresses above what the libraries have taken


def held(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def answered(arguments: list[str]) -> dict[str, object]:
    sys.argv = ["blockqnn", *arguments]
    out, err, status = io.StringIO(), io.StringIO(), 0
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, begun = held("VmRSS:"), time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException as error:
            status, _ = 99, err.write(f"{type(error).__name__}: {error}\n")
    seconds, grown = time.process_time() - begun, held("VmHWM:") - before
    told = {"status": status, "out": out.getvalue(), "err": err.getvalue()}
    return {**told, "seconds": seconds, "grown": grown}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    signal.signal = lambda *_: None  # type: ignore[assignment]
    torch.zeros(1)
    load(DataSettings())
    limit = held("VmSize:") + ALLOWED
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        print(json.dumps(answered(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
