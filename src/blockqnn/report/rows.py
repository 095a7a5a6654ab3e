"""What people ask of a run: how it stands, its best blocks, how the search moved."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from blockqnn.config import PlanSettings
from blockqnn.errors import InputError
from blockqnn.records import Failure, Latency, Measurement, Trial
from blockqnn.runtime.energy import spent_energy
from blockqnn.runtime.facts import RunFacts, facts_of, problem_of, strategy_of
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.pace import shares, spent_seconds, taken_epsilons
from blockqnn.runtime.search import ALARM, Strategy
from blockqnn.runtime.store import Store
from blockqnn.strategy.finalists import finalists


@dataclass(frozen=True)
class Entry:
    """An evaluated trial."""

    trial: int
    code: str
    accuracy: float  # percent, validation
    reward: float
    params: int
    flops: int  # one image
    latency: Latency | None = None

    def told(self) -> dict[str, Any]:
        """The entry as `--json` prints it; without latency where there is none."""
        latency = {"latency": self.latency.model_dump()} if self.latency else {}
        return {key: value for key, value in vars(self).items() if key != "latency"} | latency


@dataclass(frozen=True)
class IterationRow:
    """Means over the trials of consecutive iterations; lengths count operations."""

    first: int
    last: int
    epsilon: float
    accuracy: float | None  # percent, over trials with a measurement, repeats included
    reward: float
    length: float  # of the trials
    proposed_length: float  # of all proposals, those over a limit included
    repeats: float  # share of the trials


@dataclass(frozen=True)
class BudgetUse:
    """A budget of time, in seconds."""

    seconds: float
    spent: float

    @property
    def share(self) -> float:
        return min(1.0, self.spent / self.seconds)


@dataclass(frozen=True)
class RunView:
    """A run as its store tells it at one moment."""

    directory: Path
    facts: RunFacts
    plans: tuple[tuple[int, PlanSettings], ...]  # see plans_of
    shares: tuple[float, ...]  # by iteration, where they were recorded: with a budget, and by a fork
    epsilons: tuple[float, ...]  # by iteration, of those that a fork took
    spent: float  # seconds of a budget
    fold: Fold
    rewards: tuple[float | None, ...]  # by trial; None: not known yet
    seconds: float  # of evaluation, summed over the workers
    strategy: Strategy
    energy: float | None = None  # joules, as the devices told; None: they do not
    alarms: tuple[int, ...] = ()  # trials that were measured twice and gave two numbers

    @property
    def planned(self) -> int | None:
        """The planned number of trials, extensions included; None with a budget of time."""
        return self.plans[-1][1].trials

    @property
    def warnings(self) -> list[str]:
        """A line each: of the data, and of what should not have happened."""
        alarms = (
            f"trial {number} was measured twice, on one kind of machine, and gave two numbers"
            for number in self.alarms
        )
        return [*self.facts.data.warnings, *alarms]

    @property
    def budget(self) -> BudgetUse | None:
        """The budget of time, extensions included, and what was used of it."""
        seconds = self.plans[-1][1].budget
        return None if seconds is None else BudgetUse(seconds, self.spent)

    def outcomes(self) -> Iterator[tuple[Trial, Measurement | Failure, float]]:
        """Trials with an outcome, repeats too, in order of their numbers, with their rewards."""
        for trial, reward in zip(self.fold.trials, self.rewards, strict=True):
            outcome = self.fold.outcome(trial)
            if outcome is not None and reward is not None:
                yield trial, outcome, reward

    def entries(self) -> list[Entry]:
        """Evaluated trials by reward, the lowest number first among equals."""
        return list(self._entries)

    @cached_property
    def _entries(self) -> list[Entry]:
        rows = []
        for trial, outcome, reward in self.outcomes():
            if trial.repeat_of is None and isinstance(outcome, Measurement):
                sizes = (outcome.params, outcome.flops, outcome.latency)
                rows.append(Entry(trial.number, trial.code, outcome.accuracy, reward, *sizes))
        return sorted(rows, key=lambda entry: -entry.reward)

    def finalists(self) -> list[Entry]:
        """Evaluated trials, those first that most deserve a full training (`strategy/finalists.py`)."""
        entries = self.entries()
        order = finalists([e.reward for e in entries], [math.log(max(1, e.flops)) for e in entries])
        return [entries[number] for number in order]

    def status(self) -> dict[str, Any]:
        """Counts, failures by kind, the best, the trajectory: the contract of `status --json`."""
        best = self.entries()[:1]
        return {
            "trials": {"planned": self.planned, **self.counts()},
            "failures": dict(self._failures),
            "budget": self.budget and {**vars(self.budget), "share": self.budget.share},
            "best": best[0].told() if best else None,
            "warnings": self.warnings,
            "trajectory": self.trajectory,
            "seconds": round(self.seconds, 1),
        }

    def counts(self) -> dict[str, int]:
        """Trials by what became of them."""
        fold, failed = self.fold, self._failures.total()
        return {
            "finished": len(fold.arrived) + fold.reused,
            "evaluated": len(fold.arrived) - failed,
            "failed": failed,
            "reused": fold.reused,
            "redrawn": sum(t.redrawn for t in fold.trials),
            "running": len(fold.unfinished()),
        }

    @cached_property
    def _failures(self) -> Counter[str]:
        own = (self.fold.outcome(self.fold.trials[number]) for number in sorted(self.fold.arrived))
        return Counter(o.kind for o in own if isinstance(o, Failure))

    @property
    def trajectory(self) -> str:
        """One hash over all that the search did."""
        return self.fold.trajectory(self.strategy)

    @property
    def metric(self) -> str:
        """What accuracies of this run are, in words."""
        metric = self.facts.settings.recipe.metric
        return {"balanced-accuracy": "balanced accuracy", "macro-f1": "macro F1"}.get(metric, metric)

    @property
    def finished(self) -> bool:
        """Whether the plan, extensions included, is done."""
        if self.budget is not None:
            return self.budget.share >= 1
        assert self.planned is not None
        return self.done >= self.planned and not self.fold.unfinished()

    @property
    def done(self) -> int:
        """What counts of the plan so far: finished trials, or evaluations."""
        return self.counts()["finished" if self.facts.settings.plan.count == "trials" else "evaluated"]

    @property
    def learns(self) -> bool:
        """Whether its steps are random with a probability that falls, epsilon."""
        return self.facts.settings.strategy not in ("random", "evolution", "local-search")

    def seconds_left(self) -> float | None:
        """What is left of a budget, else a guess from the pace of the workers seen so far.

        None where there is nothing to guess from.
        """
        if self.budget is not None:
            return self.budget.seconds - self.budget.spent
        assert self.planned is not None
        fold = self.fold
        results = [fold.result(fold.trials[number]) for number in fold.arrived]
        workers = {r.observed.worker for r in results if r is not None and r.observed.worker}
        finished = len(fold.arrived) + fold.reused
        if not workers:
            return None
        return max(0, self.planned - finished) / finished * self.seconds / len(workers)

    def trial(self, number: int) -> Trial:
        """The trial of that number, or InputError."""
        if not 0 <= number < len(self.fold.trials):
            have = f"it has 0 to {len(self.fold.trials) - 1}" if self.fold.trials else "it has none yet"
            raise InputError(f"run {self.directory}: has no trial {number}; {have}")
        return self.fold.trials[number]

    def by_iteration(self, rows: int) -> list[IterationRow]:
        """How the search moved: at most `rows` rows, each over as many iterations."""
        count = self.fold.complete_iterations()
        group = max(1, -(-count // rows))
        return [self.row(first, min(count, first + group)) for first in range(0, count, group)]

    def row(self, first: int, end: int) -> IterationRow:
        """Of the iterations from index `first` to below `end`, all of them complete."""
        trials = [t for iteration in self.fold.iterations[first:end] for t in iteration]
        lengths = [len(self.facts.block(t.code).layers) for t in trials]
        dropped = sum(t.redrawn for t in trials)
        dropped_layers = sum(t.redrawn_steps for t in trials) - dropped  # a terminal layer each
        outcomes = [self.fold.outcome(t) for t in trials]
        accuracies = [o.accuracy for o in outcomes if isinstance(o, Measurement)]
        return IterationRow(
            first=first + 1,
            last=end,
            epsilon=self.epsilon(first),
            accuracy=fmean(accuracies) if accuracies else None,
            reward=fmean(_known(self.rewards[t.number] for t in trials)),
            length=fmean(lengths),
            proposed_length=(sum(lengths) + dropped_layers) / (len(trials) + dropped),
            repeats=fmean(t.repeat_of is not None for t in trials),
        )

    def epsilon(self, iteration: int) -> float:
        """The epsilon with which the iteration was proposed, in the run that it was taken from too."""
        if iteration < len(self.epsilons):
            return self.epsilons[iteration]
        return self.strategy.epsilon(self.share(iteration))

    def share(self, iteration: int) -> float:
        """The share of the plan, as it was then, at which the iteration began."""
        if iteration < len(self.shares):
            return self.shares[iteration]
        plan, first = self.facts.settings.plan, self.fold.iterations[iteration][0].number
        planned = max(p.trials or 0 for after, p in self.plans if after <= first)
        if plan.count == "trials":
            return iteration / (iteration + -(-(planned - first) // plan.iteration_size))
        told = self.fold.iterations[: max(0, iteration - plan.staleness)]
        return self.fold.evaluated(t for trials in told for t in trials) / planned


def read(directory: Path) -> RunView:
    """The run in a directory, as it stands now; beside a live search too.

    Raises InputError when there is none.
    """
    fold = Fold()
    with Store.read(directory) as store:
        facts = facts_of(store)
        results = store.results()  # before the trials, so that none is of a trial that came meanwhile
        fold.add_trials(store.trials())
        fold.add_results(results)
        events = store.events()
    problem = problem_of(facts)
    strategy = strategy_of(facts.settings, problem)
    fold.tell_until(fold.complete_iterations(), strategy, problem.mdp.episode, problem.reward)
    rewards = []
    for trial in fold.trials:
        outcome = fold.outcome(trial)
        rewards.append(None if outcome is None else problem.reward(trial, outcome))
    seconds = sum(result.observed.seconds for result in results)
    return RunView(
        directory=directory,
        facts=facts,
        plans=plans_of(facts, events),
        shares=tuple(shares(events)),
        epsilons=taken_epsilons(events),
        spent=spent_seconds(events),
        fold=fold,
        rewards=tuple(rewards),
        seconds=seconds,
        energy=spent_energy(events),
        alarms=tuple(body for kind, body in events if kind == ALARM),
        strategy=strategy,
    )


def plans_of(facts: RunFacts, events: Sequence[tuple[str, Any]]) -> tuple[tuple[int, PlanSettings], ...]:
    """(first trial that it holds for, plan): as the run was begun, then each extension."""
    plan = facts.settings.plan
    plans = [(0, plan)]
    for kind, body in events:
        if kind == "plan":
            extended = {key: body[key] for key in ("trials", "budget") if key in body}
            plans.append((body["after"], plan.model_copy(update=extended)))
    return tuple(plans)


def _known(values: Iterable[float | None]) -> list[float]:
    return [v for v in values if v is not None]
