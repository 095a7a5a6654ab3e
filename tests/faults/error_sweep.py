"""Fails a search's calls on the run's files, one after another: `python -m faults.error_sweep ...`.

One line of JSON a point. Arguments: a directory, the kind of error, the first point and the stride. The
search is the command itself, with training alone pretended. The error is
that of a full disk, once; or of a broken one, once or from then on. The command must end with status 1
and one line that says so, or go on to its end; nothing acknowledged may be lost, and the same command
afterwards leads to the same end.
"""

import errno
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from blockqnn import cli, searching
from blockqnn.runtime.file.disk import Patience
from blockqnn.runtime.search import search
from blockqnn.runtime.store import is_run
from faults.acknowledged import acknowledging, lost, recorded
from faults.tracing import Call, watch

COMMAND = ["blockqnn", "search", "--data", "digits", "--preset", "small", "--trials", "16"]
COMMAND += ["--executor", "serial", "--device", "cpu", "--set", "plan.iteration=4"]
COMMAND += ["--set", "space.max_params=60000", "--set", "agent.walks=1"]
READS = {"pread64"}  # which no full disk fails
FAILURES = {
    "full": (errno.ENOSPC, False),
    "broken": (errno.EIO, False),
    "broken for good": (errno.EIO, True),
}


def command(directory: Path, told: Path, out: Path) -> None:
    """The command in this process, its output in files, its training pretended."""
    acknowledge = acknowledging(told)

    def telling(*parts: Any, report: Any, **options: Any) -> Any:
        def both(progress: Any) -> None:
            report(progress)
            acknowledge(progress)

        return search(*parts, report=both, **options)

    searching.search = telling
    searching.Patience = partial(Patience, pause=0.01)
    searching.EVALUATOR = "faults.evaluators:pretend_at_once"
    sys.argv = [*COMMAND, "--run", str(directory)]
    with (
        (out / "out").open("w") as output,
        (out / "err").open("w") as errors,
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        cli.main()


def failed(directory: Path, told: Path, out: Path, kind: str, number: int | None) -> tuple[int, str]:
    """The command, with an error at that call of its session: its exit status, the call."""
    error, lasting = FAILURES[kind]
    numbers, fatal = count(), []

    def at(call: Call) -> int | None:
        if kind == "full" and call.name in READS:
            return None
        at_work = next(numbers)
        if number is None or at_work < number or (at_work > number and not lasting):
            return None
        fatal.append(f"{call.name} {Path(call.path).name}")
        return error

    status = watch(lambda: command(directory, told, out), directory, at)
    return status, fatal[0] if fatal else ""


def sweep(directory: Path, kind: str, first: int, stride: int) -> Iterator[dict[str, Any]]:
    """A point at every stride-th call from the first on, until a search makes no such call."""
    run, told = directory / "run", directory / "told"
    command(run, told, directory)  # here, so that no child has to import anything
    expected = recorded(run)
    for number in count(first, stride):
        shutil.rmtree(run, ignore_errors=True)
        told.unlink(missing_ok=True)
        status, call = failed(run, told, directory, kind, number)
        if not call:
            return
        said = (directory / "err").read_text()
        point = {"number": number, "call": call, "status": status, "said": said}
        point |= {"lost": lost(run, told, expected), "begun": is_run(run)}
        end, _ = failed(run, told, directory, kind, None)
        if end:
            point["then"] = (directory / "err").read_text()
        yield point | {"end": end, "same": end == 0 and recorded(run) == expected}


if __name__ == "__main__":
    folder, which, *numbers = sys.argv[1:]
    for point in sweep(Path(folder), which, *map(int, numbers)):
        print(json.dumps(point), flush=True)
