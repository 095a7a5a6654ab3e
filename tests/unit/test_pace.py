"""A budget of time: what the agent sees of the clock, when the search ends, going through it again."""

import pytest

from blockqnn.config import PlanSettings
from blockqnn.report.rows import read
from blockqnn.runtime.facts import problem_of, strategy_of
from blockqnn.runtime.pace import Budget, shares, spent_seconds
from blockqnn.runtime.retrace import retrace
from blockqnn.runtime.search import search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store
from faults.evaluators import pretend
from runs import pretended
from unit.test_search import Slots

BUDGET = 40.0


def facts(**plan):
    changes = {
        "plan": {"budget": BUDGET, "staleness": 1, "seed": 5, **plan},
        "space": {"max_params": 60_000},
        "agent": {"epsilon": ((1.0, 40), (0.1, 60)), "walks": 1},
    }
    return pretended("demo", changes)


class Clock:
    """A clock that moves when an executor waits."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Timed(Slots):
    """Slots whose tasks take seconds of their own; the deadline passes while it waits."""

    def __init__(self, clock, slots=2):
        super().__init__(slots)
        self.clock, self.evaluate, self.ends = clock, pretend({"nap": 0}), {}

    def submit(self, task):
        super().submit(task)
        self.ends[task.number] = self.clock.now + 0.5 + task.seed % 7 / 4

    def wait(self, timeout=None):
        number, end = min(self.ends.items(), key=lambda item: item[1])
        if timeout is not None and end > self.clock.now + timeout:
            self.clock.now += timeout
            return []
        self.clock.now = max(self.clock.now, end)
        task = next(t for t in self.tasks if t.number == number)
        self.tasks.remove(task)
        del self.ends[number]
        return [finished(task, self.evaluate)]

    def close(self):
        pass


def finished(task, evaluate):
    executor = SerialExecutor(evaluate)
    executor.submit(task)
    return executor.wait()[0]


def spend(directory, clock, run, store=None, slots=2):
    """The search until its budget ends, on a clock of its own."""
    problem, plan = problem_of(run), run.settings.plan
    if store is None:
        store = Store.create(directory, {"run": run.model_dump_json()})
    with store:
        pace = Budget(plan, spent_seconds(store.events()), clock.now, clock)
        strategy = strategy_of(run.settings, problem)
        return search(problem, strategy, Timed(clock, slots), store, plan, pace=pace)


def test_the_budget_is_spent_and_no_more(tmp_path):
    clock = Clock()
    fold = spend(tmp_path, clock, facts())
    assert clock.now == pytest.approx(1000 + BUDGET)
    view = read(tmp_path)
    assert view.budget.spent == pytest.approx(BUDGET)
    assert view.status()["budget"] == {"seconds": BUDGET, "spent": BUDGET, "share": 1.0}
    assert view.planned is None
    assert len(fold.unfinished()) == view.status()["trials"]["running"] > 0  # dropped at the end
    assert {len(iteration) for iteration in fold.iterations} == {8}


def test_epsilon_follows_the_share_that_was_spent_at_the_border(tmp_path):
    spend(tmp_path, Clock(), facts())
    view = read(tmp_path)
    assert len(view.shares) == len(view.fold.iterations)
    assert view.shares[0] == 0.0 == view.shares[1]  # staleness 1: two iterations at the start
    assert list(view.shares) == sorted(view.shares)
    assert view.shares[-1] < 1
    levels = [row.epsilon for row in view.by_iteration(1000)]
    assert levels == [1.0 if share < 0.4 else 0.1 for share in view.shares[: len(levels)]]
    assert {1.0, 0.1} == set(levels)


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("slots", [1, 2, 5])
def test_going_through_its_events_again_gives_the_same_trajectory(tmp_path, slots, anew):
    spend(tmp_path / "run", Clock(), facts(), slots=slots)
    view = read(tmp_path / "run")
    assert view.fold.unfinished()
    problem, settings = problem_of(view.facts), view.facts.settings
    with Store.create(tmp_path / "again", {"run": view.facts.model_dump_json()}) as store:
        evaluate = pretend({"nap": 0}) if anew else None
        strategy = strategy_of(settings, problem)
        retrace(problem, strategy, settings.plan, view.fold, view.shares, store, evaluate)
    again = read(tmp_path / "again")
    assert again.status()["trajectory"] == view.status()["trajectory"]
    assert again.shares == view.shares


def test_another_share_gives_another_search(tmp_path, monkeypatch):
    """The control: the shares do decide what is proposed."""
    spend(tmp_path / "run", Clock(), facts())
    view = read(tmp_path / "run")
    problem, settings = problem_of(view.facts), view.facts.settings
    with Store.create(tmp_path / "again", {"run": view.facts.model_dump_json()}) as store:
        strategy = strategy_of(settings, problem)
        monkeypatch.setattr(view.fold, "unfinished", list)  # another search drops other trials
        greedy = [0.9] * len(view.shares)
        fold = retrace(problem, strategy, settings.plan, view.fold, greedy, store, pretend({"nap": 0}))
    assert [t.code for t in fold.trials] != [t.code for t in view.fold.trials]


def test_a_spent_budget_is_finished_until_it_is_extended(tmp_path):
    clock, run = Clock(), facts()
    first = spend(tmp_path, clock, run)
    again = spend(tmp_path, clock, run, Store.resume(tmp_path))
    assert again.trials == first.trials
    assert clock.now == pytest.approx(1000 + BUDGET)
    dropped = {t.number for t in first.unfinished()}
    clock.now += 12345  # between two sessions
    more = spend(tmp_path, clock, facts(budget=2 * BUDGET), Store.resume(tmp_path))
    assert clock.now == pytest.approx(1000 + 12345 + 2 * BUDGET)
    assert more.trials[: len(first.trials)] == first.trials
    assert not dropped & {t.number for t in more.unfinished()}  # they were run again


def test_time_between_sessions_does_not_count_and_that_of_an_interrupted_one_does(tmp_path):
    clock, run = Clock(), facts()

    class Interrupted(Timed):
        def wait(self, timeout=None):
            if self.clock.now > 1010:
                raise KeyboardInterrupt
            return super().wait(timeout)

    problem = problem_of(run)
    with Store.create(tmp_path, {"run": run.model_dump_json()}) as store:
        pace = Budget(run.settings.plan, 0.0, clock.now, clock)
        with pytest.raises(KeyboardInterrupt):
            search(
                problem,
                strategy_of(run.settings, problem),
                Interrupted(clock),
                store,
                run.settings.plan,
                pace=pace,
            )
        spent = spent_seconds(store.events())
    assert spent == pytest.approx(clock.now - 1000, abs=1e-3)
    clock.now += 5000
    spend(tmp_path, clock, run, Store.resume(tmp_path))
    assert clock.now == pytest.approx(6000 + BUDGET, abs=0.1)


def test_a_space_that_is_exhausted_ends_the_search(tmp_path):
    run = pretended("demo", {"plan": {"budget": "1h"}, "space": {"max_layers": 1}})
    clock = Clock()
    fold = spend(tmp_path, clock, run)
    assert clock.now < 1100
    assert not fold.unfinished()
    assert len(fold.trials) < 1000


def test_shares_are_recorded_only_with_a_budget(tmp_path):
    run = pretended("demo", {"plan": {"trials": 9, "iteration": 8}})
    problem = problem_of(run)
    with Store.create(tmp_path, {"run": run.model_dump_json()}) as store:
        search(problem, strategy_of(run.settings, problem), Timed(Clock()), store, run.settings.plan)
        assert list(shares(store.events())) == []
    assert read(tmp_path).budget is None


def test_a_plan_has_one_end():
    with pytest.raises(ValueError, match="either trials or a budget"):
        PlanSettings(trials=5, budget=5.0)
