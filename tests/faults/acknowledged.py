"""What a search in another process has acknowledged, and whether its run still holds it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from blockqnn.records import Failure, Measurement, Trial
from blockqnn.report import rows
from blockqnn.runtime.search import Progress
from blockqnn.runtime.store import Store, is_run


class Recorded(NamedTuple):
    """All that must be the same; more than the hash, for messages that tell more."""

    trials: list[Trial]
    outcomes: list[Measurement | Failure | None]
    trajectory: str


def recorded(directory: Path) -> Recorded:
    """A run that reached its end."""
    view = rows.read(directory)
    status = view.status()
    assert status["trials"]["finished"] == status["trials"]["planned"]
    outcomes = [view.fold.outcome(trial) for trial in view.fold.trials]
    return Recorded(view.fold.trials, outcomes, status["trajectory"])


def acknowledging(file: Path) -> Callable[[Progress], None]:
    """Writes a line of what is acknowledged each time that the loop reports, at once."""
    told = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def report(progress: Progress) -> None:
        fold = progress.fold
        os.write(told, f"{json.dumps([len(fold.trials), fold.arrived])}\n".encode())

    return report


def lost(directory: Path, file: Path, expected: Recorded) -> list[str]:
    """What was acknowledged and is not stored, or is not as it must be; looks at a copy."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    copy = directory.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    if directory.exists():
        shutil.copytree(directory, copy)
    if not is_run(copy):
        return ["the run"] if lines else []
    with Store.read(copy) as store:
        stored, results = store.trials(), {r.number: r.outcome for r in store.results()}
    trials = max((trials for trials, _ in lines), default=0)
    numbers = {number for _, numbers in lines for number in numbers}
    found = [f"result {number}" for number in sorted(numbers - results.keys())]
    found += [f"other result {n}" for n, o in results.items() if o != expected.outcomes[n]]
    if len(stored) < trials:
        found.append(f"trials from {len(stored)} on")
    if stored != expected.trials[: len(stored)]:
        found.append("other trials")
    return found
