"""Kills a search before each of its calls on the run's files: `python -m faults.kill_sweep ...`.

One line of JSON a point. Arguments: a directory, the staleness, the first point, the stride, and a bug
to be planted, if any. The search is the driver's pretended one; results arrive in an order that is
drawn anew in each process. After each kill all that was acknowledged must be stored, as it would have
been without a kill; then the run goes on, is killed once more soon after its start, and goes on to its
end, where all must be as in a run that nothing disturbed.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from blockqnn.runtime.search import Progress
from faults.acknowledged import acknowledging, lost, recorded
from faults.driver import run_pretended
from faults.evaluators import pretend
from faults.tracing import KILL, Call, watch
from mutants import planted
from shuffled import Shuffled

TRIALS, SLOTS = 60, 3
SOON = 60  # calls: of a resumed search, until it has recovered and committed once or twice


def searched(
    directory: Path, staleness: int, report: Callable[[Progress], None], trials: int = TRIALS
) -> None:
    """The search, from wherever it stands."""
    executor = Shuffled(pretend({"nap": 0}), SLOTS, SystemRandom())
    run_pretended(directory, executor, staleness, report, trials=trials)


def killed(directory: Path, told: Path, staleness: int, number: int | None) -> tuple[int, str]:
    """The search, killed before that call of its session: its exit status, the call."""
    numbers, fatal = count(), []

    def at(call: Call) -> int | None:
        if call.name == "pread64" or next(numbers) != number:  # a read leaves what was there before
            return None
        fatal.append(f"{call.name} {Path(call.path).name}")
        return KILL

    status = watch(lambda: searched(directory, staleness, acknowledging(told)), directory, at)
    return status, "".join(fatal)


def sweep(directory: Path, staleness: int, first: int, stride: int) -> Iterator[dict[str, Any]]:
    """A point at every stride-th call from the first on, until a search ends before its point."""
    run, told = directory / "run", directory / "told"
    searched(run, staleness, lambda _: None)
    expected = recorded(run)
    for number in count(first, stride):
        shutil.rmtree(run)
        told.unlink(missing_ok=True)
        status, call = killed(run, told, staleness, number)
        if status == 0:
            return
        point = {"number": number, "call": call, "status": status, "lost": lost(run, told, expected)}
        again, _ = killed(run, told, staleness, Random(number).randrange(SOON))
        point["lost"] += lost(run, told, expected)
        end, _ = killed(run, told, staleness, None)
        yield point | {"again": again, "end": end, "same": recorded(run) == expected}


if __name__ == "__main__":
    folder, staleness, first, stride, *mutant = sys.argv[1:]
    with planted(*mutant) if mutant else nullcontext():
        for point in sweep(Path(folder), int(staleness), int(first), int(stride)):
            print(json.dumps(point), flush=True)
