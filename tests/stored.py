"""Runs for tests, written by hand into a store: what was proposed and what came of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blockqnn.records import Failure, Measurement, Observation, Result, Trial
from blockqnn.report import rows
from blockqnn.report.rows import RunView
from blockqnn.runtime.facts import block_density, problem_of
from blockqnn.runtime.store import Store
from runs import facts


def stored(
    directory: Path, iterations: Sequence[Sequence[tuple[str, float | None]]], **changes: Any
) -> RunView:
    """A run of these iterations of (code, accuracy in percent; None: no_learning).

    A code of a network that was there before is a repeat. FLOPs are 1000 times the number of its trial.
    """
    run = facts(**changes)
    problem, trials, results = problem_of(run), [], []
    first: dict[str, int] = {}
    for iteration, proposed in enumerate(iterations):
        for code, accuracy in proposed:
            number, block = len(trials), run.block(code)
            key = problem.mdp.key(problem.mdp.episode(str(block)))
            density = block_density(block, run.settings.reward)
            trial = Trial(
                number=number,
                iteration=iteration,
                code=str(block),
                key=key,
                density=density,
                repeat_of=first.get(key),
            )
            trials.append(trial)
            if trial.repeat_of is None:
                first[key] = number
                outcome = (
                    Failure(kind="no_learning")
                    if accuracy is None
                    else Measurement(accuracy=accuracy, flops=1000 * (number + 1), params=10)
                )
                observed = Observation(seconds=2.0, fingerprint="some CPU; torch 0")
                results.append(Result(number=number, outcome=outcome, observed=observed))
    with Store.create(directory, {"run": run.model_dump_json()}) as store:
        store.add(trials, results)
    return rows.read(directory)
