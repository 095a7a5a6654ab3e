"""A thousand workers and every fault of a cluster: the same search as one worker without faults."""

import tracemalloc
from functools import cache

import pytest

from blockqnn.config import AgentSettings, PlanSettings
from blockqnn.records import Failure
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.pace import Budget
from blockqnn.runtime.retrace import retrace
from blockqnn.runtime.search import Problem, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.seeds import generator
from blockqnn.space.mdp import BlockSpace
from blockqnn.strategy.q_agent import QAgent
from simulated import LOSSES, Faults, Simulated, Unwritten, outcome

WORKERS, SIZE, TRIALS = 1000, 500, 3000  # with staleness 1, as many in flight as there are workers
FAULTS = Faults(duplicate=0.01, lost=0.01, late=0.01, node=0.001)
SPACE = BlockSpace(8)
PROBLEM = Problem(SPACE, lambda _: 1.0, reward=lambda _, o: getattr(o, "accuracy", -1.0))


def cluster(seed=0, faults=FAULTS):
    """Nodes of 8 workers, fast and slow ones; a candidate takes log-normal seconds."""
    return Simulated(
        WORKERS,
        lambda task: 60 * generator(seed, task.code).lognormvariate(0.0, 0.6),
        speeds=(1.0, 1.0, 0.5, 3.0),
        faults=faults._replace(seed=seed),
        down=120.0,
    )


def plan(**changes):
    return PlanSettings(**{"trials": TRIALS, "iteration": SIZE, "staleness": 1, "seed": 3} | changes)


def run(executor, pace=None, store=None, **changes):
    """The fold of a search, and its trajectory."""
    agent = QAgent(SPACE, AgentSettings(), 3)
    fold = search(PROBLEM, agent, executor, store or Unwritten(), plan(**changes), pace=pace)
    return fold, fold.trajectory(agent)


@cache
def serial(**changes):
    return run(SerialExecutor(outcome), **changes)


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_workers_and_faults_change_nothing(seed):
    executor = cluster(seed)
    fold, trajectory = run(executor)
    assert trajectory == serial()[1]
    results = [fold.result(trial) for trial in fold.trials if trial.repeat_of is None]
    assert fold.arrived != sorted(fold.arrived)
    assert sum(r.observed.attempts > 1 for r in results) > len(results) / 50
    for fault in ("lost", "late", "node", "late answer", "second answer"):
        assert executor.met[fault], f"there was no {fault}"


def test_told_in_another_order_it_would_be_another_search(monkeypatch):
    class ByArrival(Fold):
        """A mutant: the agent is told of an iteration's trials as their results came."""

        def tell_until(self, iteration, *others):
            came = {number: place for place, number in enumerate(self.arrived)}
            for trials in self.iterations[self.told : iteration]:
                trials.sort(key=lambda t: came[t.number if t.repeat_of is None else t.repeat_of])
            super().tell_until(iteration, *others)

    expected = serial()[1]
    monkeypatch.setattr("blockqnn.runtime.search.Fold", ByArrival)
    assert run(cluster())[1] != expected


def test_one_that_every_worker_is_lost_with_is_a_failure_by_the_rules():
    class Poisoned(Faults):
        def of(self, number, attempt):
            return ("lost", 0.5) if number == 700 else super().of(number, attempt)

    fold, trajectory = run(cluster(faults=Poisoned(*FAULTS)))
    (failed,) = [t for t in fold.trials if t.repeat_of is None and isinstance(fold.outcome(t), Failure)]
    assert failed.number == 700
    result = fold.result(failed)
    assert (result.outcome.kind, result.observed.attempts) == ("crashed", LOSSES)
    crash = result.outcome
    alone = SerialExecutor(lambda task: crash if task.number == 700 else outcome(task))
    assert run(alone)[1] == trajectory != serial()[1]


def test_lost_attempts_count_as_no_evaluations():
    fold, trajectory = run(cluster(), trials=2000, count="evaluations")
    assert trajectory == serial(trials=2000, count="evaluations")[1]
    measured = [t for t in fold.trials if t.repeat_of is None]
    assert len(fold.arrived) == len(measured) == len(set(fold.arrived))
    assert fold.told_evaluated >= 2000


def test_a_budget_ends_on_time_whatever_is_lost_and_can_be_gone_through_again():
    executor, shares = cluster(), []

    class Recording(Budget):
        def asked(self, share):
            shares.append(share)
            return super().asked(share)

    settings = plan(trials=None, budget=600.0)
    pace = Recording(settings, 0.0, 0.0, clock=lambda: executor.now)
    fold, trajectory = run(executor, pace, trials=None, budget=600.0)
    assert executor.now == 600.0
    assert fold.unfinished()
    assert 0 < len(fold.arrived) < len(fold.trials)
    agent = QAgent(SPACE, AgentSettings(), 3)
    again = retrace(PROBLEM, agent, settings, fold, shares, Unwritten())
    assert again.trajectory(agent) == trajectory


def test_memory_is_that_of_the_rows():
    """The same for each result, early and late: nothing else grows, whatever was lost on the way."""
    grown = []

    class Watched(Unwritten):
        """Which notes the memory when each iteration is asked."""

        def add(self, trials=(), *_, **__):
            if trials:
                grown.append((trials[0].number, tracemalloc.get_traced_memory()[0]))

    tracemalloc.start()
    try:
        run(cluster(), store=Watched(), trials=20 * 240, iteration=240)
    finally:
        tracemalloc.stop()
    (first, low), (second, middle), (third, high) = (grown[i] for i in (6, 12, 18))
    early, late = (middle - low) / (second - first), (high - middle) / (third - second)
    print(f"bytes a trial: {early:.0f} early, {late:.0f} late")
    assert late < 1.1 * early
    assert early < 3500
