"""Runs for tests: settings that train in milliseconds, and facts for stores written by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from blockqnn import Callback
from blockqnn.config import resolve
from blockqnn.network.plan import Image, Skeleton
from blockqnn.report.rows import RunView
from blockqnn.runtime.facts import DataFacts, RunFacts, problem_of, strategy_of
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.search import Progress

# On the digits, with some failures (`no_learning`) and repeats.
TINY: dict[str, Any] = {
    "recipe": {"steps": 5, "learning_rate": 0.01, "restarts": 0, "restart_after": 1},
    "skeleton": Skeleton(("conv",), (4, 8), (1, 1)),
    "space": {"max_layers": 2},
    "agent": {"walks": 1},
    "plan": {"trials": 12, "iteration": 4, "seed": 1},
    "execution": {"executor": "serial", "device": "cpu"},
}


def facts(**changes: Any) -> RunFacts:
    """A run of 12 trials, 4 an iteration; the reward is the accuracy."""
    plain = {"reward": {"mu": 0.0, "rho": 0.0}, "plan": {"trials": 12, "iteration": 4}}
    return pretended("small", {**plain, **changes})


def pretended(preset: str, changes: dict[str, Any]) -> RunFacts:
    """A run of this preset on 8x8 images of 10 classes that do not exist."""
    data = DataFacts(
        name="pretended",
        digest="",
        image=Image(1, 8, 8),
        classes=tuple("0123456789"),
        sizes=(1000, 200, 200),
        chance=10.0,
    )
    return RunFacts(version="", settings=resolve(preset, changes), data=data, device="cpu")


def view_of(run: RunFacts, fold: Fold | None = None) -> RunView:
    """A run as its store would tell it, with these trials."""
    problem, fold = problem_of(run), fold or Fold()
    outcomes = [(trial, fold.outcome(trial)) for trial in fold.trials]
    return RunView(
        directory=Path("run"),
        facts=run,
        plans=((0, run.settings.plan),),
        shares=(),
        epsilons=(),
        spent=0.0,
        fold=fold,
        rewards=tuple(outcome and problem.reward(trial, outcome) for trial, outcome in outcomes),
        seconds=0.0,
        strategy=strategy_of(run.settings, problem),
    )


class Changed(Callback):
    """Calls a function after each change of a search."""

    def __init__(self, call: Callable[[Progress], None]) -> None:
        self._call = call

    def changed(self, progress: Progress) -> None:
        self._call(progress)
