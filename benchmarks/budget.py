"""Searches on the digits with a budget of time: how much of it they use, and whether going through
their events again, one candidate after another with real training, gives the same trajectory.

    python benchmarks/budget.py DIRECTORY [--budget 3m] [--runs 5]

Finished runs in DIRECTORY are kept, so the script goes on where it was stopped.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from blockqnn.evaluation.early_stop import make_evaluator
from blockqnn.quantity import seconds
from blockqnn.report.rows import read
from blockqnn.runtime.facts import problem_of, strategy_of
from blockqnn.runtime.retrace import retrace
from blockqnn.runtime.store import Store, is_run


def spend(directory: Path, budget: str, seed: int) -> float:
    """Wall seconds of the whole command, from the start of Python to its end."""
    command = [sys.executable, "-m", "blockqnn.cli", "search", "--data", "digits", "--run"]
    begin = time.monotonic()
    subprocess.run(
        [*command, str(directory), "--budget", budget, "--seed", str(seed), "--device", "cpu"],
        check=True,
        capture_output=True,
    )
    return time.monotonic() - begin


def again(directory: Path, copy: Path) -> str:
    """The trajectory when every candidate is trained once more, in this process."""
    view = read(directory)
    facts = view.facts
    problem, settings = problem_of(facts), facts.settings
    evaluate = make_evaluator(
        {"settings": settings.model_dump_json(), "digest": facts.data.digest, "device": facts.device}
    )
    if not is_run(copy):
        with Store.create(copy, {"run": facts.model_dump_json()}) as store:
            strategy = strategy_of(settings, problem)
            retrace(problem, strategy, settings.plan, view.fold, view.shares, store, evaluate)
    return str(read(copy).status()["trajectory"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    budget = seconds(arguments.budget)
    arguments.directory.mkdir(parents=True, exist_ok=True)
    print("seed  evaluated  dropped  spent of the budget  over it  same trajectory", flush=True)
    for seed in range(arguments.runs):
        directory = arguments.directory / f"seed-{seed}"
        noted = arguments.directory / f"seed-{seed}.seconds"
        if not noted.exists():
            noted.write_text(f"{spend(directory, arguments.budget, seed):.2f}")
        wall = float(noted.read_text())
        view = read(directory)
        assert view.budget is not None
        counts = view.status()["trials"]
        trajectory = again(directory, arguments.directory / f"seed-{seed}-again")
        same = trajectory == view.status()["trajectory"]
        print(
            f"{seed:4}  {counts['evaluated']:9}  {counts['running']:7}  {view.budget.share:19.1%}"
            f"  {wall - budget:5.2f} s  {'yes' if same else 'NO'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
