"""Loop, retries and store against all that workers and crashes can do, one step at a time.

After each step: what was acknowledged is stored, each trial has one outcome, the first; what came
later is kept aside; and trials, outcomes and Q-values are those of a search as plain as can be.
`make reliability` runs many more examples. Each planted mutant must be found.
"""

import shutil
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from blockqnn.records import Failure, Measurement, Result, Task
from blockqnn.runtime.search import ALARM, LATE
from blockqnn.runtime.store import Store
from blockqnn.seeds import derive
from effort import FULL, effort
from mutants import MUTANTS, planted
from property.driven import Coordinator, true_result
from property.plain import plain

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
MOMENTS = st.sampled_from(["", "", "", "", "before", "after"])  # at which the coordinator dies


def same(one, other):
    """A failure is its kind: its words may tell of the machine."""
    if isinstance(one, Failure) and isinstance(other, Failure):
        return one.kind == other.kind
    return one == other


class SearchMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir=MEMORY))
        self.run = self.directory / "run"
        self.session = None
        self.kept: dict[int, Result] = {}  # the first outcome of each trial that reached the store
        self.late: list[Result] = []
        self.alarms: list[int] = []
        self.given_up: list[Task] = []  # of attempts that may still answer
        self.losses: Counter[int] = Counter()  # of this session, by trial

    @initialize(seed=st.integers(0, 9), staleness=st.integers(0, 2))
    def begin(self, seed, staleness):
        self.seed, self.staleness = seed, staleness
        self.open()

    def open(self):
        self.losses.clear()
        self.session = Coordinator(self.run, self.seed, self.staleness)

    def hear(self, results, crash="", answers=(), lost=(), rng=None):
        """The loop is told these results, and what its executor makes of the workers' answers."""
        told = []

        def heard(of_workers):
            told.extend([*of_workers, *results])
            if rng:
                rng.shuffle(told)
            return told

        if crash:
            self.session.crash(crash)
        busy = [worker.task for worker in self.session.workers()]
        self.session.arrive(heard, list(answers), list(lost))
        if crash != "before" or not told:
            self.stored(told)
        if not self.session.alive and not self.session.ended:
            self.given_up += busy
            self.open()
        elif crash:
            self.session.store.dies = ""  # there was nothing to commit

    def stored(self, told):
        for result in told:
            first = self.kept.setdefault(result.number, result)
            if first is result:
                continue
            self.late.append(result)
            both = isinstance(first.outcome, Measurement) and isinstance(result.outcome, Measurement)
            one_machine = result.observed.fingerprint == first.observed.fingerprint
            if both and one_machine and result.outcome != first.outcome:
                self.alarms.append(result.number)

    def working(self):
        return self.session is not None and self.session.alive

    @precondition(working)
    @rule(data=st.data(), crash=MOMENTS, twice=st.booleans())
    def deliver(self, data, crash, twice):
        """Some workers answer, in any order; one answer may come twice."""
        workers = self.session.workers()
        answers = data.draw(st.lists(st.sampled_from(workers), min_size=1, unique_by=id))
        again = [true_result(answers[0].task)] if twice else []
        self.hear(again, crash, answers, rng=Random(len(self.kept)))

    @precondition(lambda self: self.working() and self.losable())
    @rule(data=st.data(), crash=MOMENTS)
    def lose(self, data, crash):
        """A worker is killed from outside, which says nothing of its task; it may have answered."""
        worker = data.draw(st.sampled_from(self.losable()))
        self.losses[worker.task.number] += 1
        self.given_up.append(worker.task)
        self.hear([], crash, lost=[worker])

    def losable(self):
        """The third loss is a verdict, which no seed decides."""
        return [w for w in self.session.workers() if self.losses[w.task.number] < 2]

    @precondition(lambda self: self.working() and self.given_up)
    @rule(data=st.data(), crash=MOMENTS)
    def answer_of_one_given_up(self, data, crash):
        """Of a lost worker, or of an earlier session: the first that comes counts."""
        task = data.draw(st.sampled_from(self.given_up))
        self.hear([true_result(task)], crash)

    @precondition(lambda self: self.working() and self.kept)
    @rule(data=st.data(), crash=MOMENTS, other=st.booleans(), elsewhere=st.booleans())
    def answer_again(self, data, crash, other, elsewhere):
        """What is stored comes once more, or something else in its place."""
        number = data.draw(st.sampled_from(sorted(self.kept)))
        result = self.kept[number]
        if other:
            outcome = Measurement(accuracy=99.5, flops=number, params=1)
            result = result.model_copy(update={"outcome": outcome})
        if elsewhere:
            observed = result.observed.model_copy(update={"fingerprint": "C"})
            result = result.model_copy(update={"observed": observed})
        self.hear([result.model_copy()], crash)

    @precondition(working)
    @rule()
    def crash_and_reopen(self):
        busy = [worker.task for worker in self.session.workers()]
        self.session.crash()
        self.given_up += busy
        self.open()

    @precondition(lambda self: self.session is not None and self.session.ended)
    @rule()
    def reopen_the_finished(self):
        self.open()
        assert self.session.ended
        assert not self.session.submitted

    @invariant()
    def all_holds(self):
        if self.session is None:
            return
        with Store.read(self.run) as store:
            trials, results, events = store.trials(), store.results(), store.events()
        expected = plain(self.seed, self.staleness)
        outcomes = {r.number: r.outcome for r in results}

        count, acknowledged = self.session.acknowledged
        assert count <= len(trials), "an acknowledged trial is not stored"
        assert acknowledged <= outcomes.keys(), "an acknowledged result is not stored"

        assert outcomes.keys() == self.kept.keys(), "a result was lost, or came from nowhere"
        assert all(same(self.kept[n].outcome, o) for n, o in outcomes.items()), "not the first counts"
        kept_aside = [Result.model_validate(body) for kind, body in events if kind == LATE]
        assert kept_aside == self.late, "a late result was lost"
        assert [body for kind, body in events if kind == ALARM] == self.alarms
        kinds = {r.observed.fingerprint for r in results} - {""}
        told = {f for kind, body in events if kind == "fingerprint" for f in body}
        assert len(kinds - told) <= 1, "that another kind of machine came was not told"

        assert trials == expected.trials[: len(trials)], "other trials"
        assert all(same(o, expected.outcomes[n]) for n, o in outcomes.items()), "other outcomes"
        fold = self.session.progress.fold
        assert all(same(fold.outcome(trials[n]), outcomes[n]) for n in acknowledged), "other in memory"
        assert self.session.agent.fingerprint() == expected.learned[fold.told], "other Q-values"

        submitted = [task.number for task in self.session.submitted]
        assert len(submitted) == len(set(submitted)), "evaluated twice in one session"
        for task in self.session.submitted:
            assert task.code == trials[task.number].code
            assert task.seed == derive(self.seed, "train", task.number), "another seed"

    def teardown(self):
        try:
            if self.session is not None and (self.session.alive or self.session.ended):
                self.finish()
        finally:
            if self.working():
                self.session.crash()
            shutil.rmtree(self.directory, ignore_errors=True)

    def finish(self):
        """All workers answer until nothing is left: then nothing may be missing."""
        for _ in range(4 * len(plain(self.seed, self.staleness).trials)):
            if self.session.ended:
                break
            self.hear([], answers=self.session.workers())
            self.all_holds()
        assert self.session.ended, "it does not come to its end"
        expected = plain(self.seed, self.staleness)
        own = {t.number for t in expected.trials if t.repeat_of is None}
        assert self.kept.keys() == own
        assert self.session.agent.fingerprint() == expected.learned[-1]


def run(examples, steps, phases=tuple(Phase)):
    run_state_machine_as_test(
        SearchMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
def test_whatever_happens():
    run(effort(25, 500), effort(40, 60))


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_machine_finds(name):
    plain.cache_clear()
    for seed in range(10):
        for staleness in range(3):
            plain(seed, staleness)  # while nothing is wrong yet
    with planted(name), pytest.raises((AssertionError, sqlite3.IntegrityError, Flaky)):
        run(effort(50, 500), 60, (Phase.generate,))
