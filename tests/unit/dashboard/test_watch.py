"""A run that is looked at while it is written: as much is known as by reading all of it."""

import pytest

from blockqnn.dashboard import watch as module
from blockqnn.dashboard.page import state_of
from blockqnn.dashboard.trials import told, trials_table, workers
from blockqnn.dashboard.watch import Watch
from blockqnn.records import Failure, Observation, Result
from blockqnn.report.rows import read
from blockqnn.runtime.facts import problem_of, strategy_of
from blockqnn.runtime.search import search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store
from faults.evaluators import pretend
from runs import facts
from unit.test_rows import RESULTS, TRIALS, written
from unit.test_search import Slots


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 3)


class NewestFirst(Slots):
    def wait(self, timeout=None):
        del timeout
        executor = SerialExecutor(pretend({"nap": 0}))
        executor.submit(self.tasks.pop())
        return executor.wait()


@pytest.mark.usefixtures("small_pieces")
def test_a_search_that_is_watched_is_known_as_if_it_were_read(tmp_path):
    """Its results come in any order, two at a time."""
    run = facts(plan={"trials": 60, "iteration": 4})
    problem, looks = problem_of(run), []
    with Store.create(tmp_path / "run", {"run": run.model_dump_json()}) as store:
        watch = Watch(tmp_path / "run")

        def look(_):
            if watch.look():
                view = read(tmp_path / "run")
                assert watch.view.entries() == view.entries()
                assert watch.rows() == view.by_iteration(200)
                assert watch.view.counts() == view.counts()
                assert watch.view.seconds == view.seconds
                looks.append(watch.version)

        strategy = strategy_of(run.settings, problem)
        search(problem, strategy, NewestFirst(3), store, run.settings.plan, report=look)
        look(None)
    watch.close()
    assert len(looks) > 20
    assert watch.view.finished


def test_nothing_new_is_no_new_version(tmp_path):
    written(tmp_path)
    watch = Watch(tmp_path)
    assert (watch.version, watch.look(), watch.version) == (1, False, 1)
    with Store.resume(tmp_path) as store:
        store.add(results=[Result(number=8, outcome=Failure(kind="timeout"))])
    assert (watch.look(), watch.version) == (True, 2)


def test_a_watch_writes_nothing(tmp_path):
    written(tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    watch = Watch(tmp_path)
    watch.look()
    state_of(watch)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_whether_a_search_is_at_work(tmp_path):
    written(tmp_path)
    watch = Watch(tmp_path)
    assert not watch.searched
    assert "No search is at work. Go on with: blockqnn search --run" in state_of(watch)
    with Store.resume(tmp_path):
        assert watch.searched
        assert state_of(watch).startswith("The search runs on 1 worker")
    assert not watch.searched


# The trials in words


def words(tmp_path, results=RESULTS, *, searched):
    written(tmp_path, results=results)
    return {one.trial.number: one for one in told(read(tmp_path), searched=searched)}


def test_each_trial_has_a_state_and_says_why(tmp_path):
    by_number = words(tmp_path, searched=True)
    assert [by_number[n].state for n in range(12)] == [
        *("measured", "failed", "measured", "repeat"),
        *("measured", "repeat", "failed", "measured"),
        *("running", "repeat", "failed", "repeat"),
    ]
    assert by_number[3].words == "the same network as trial 0"
    assert by_number[9].words == "waits for the outcome of trial 8, the same network"
    assert by_number[8].words == "is being trained"
    assert by_number[1].words.startswith("never better than always the same answer")
    assert by_number[6].words.startswith("no proposal within the limits")
    assert by_number[0].accuracy == 50.0
    assert by_number[0].seconds == 2.0


def test_as_many_run_as_there_are_workers_the_most_costly_first(tmp_path):
    results = [
        Result(number=n, outcome=r.outcome, observed=Observation(seconds=1.0, worker=f"{n % 2}"))
        for n, r in zip((0, 1), RESULTS, strict=False)
    ]
    by_number = words(tmp_path, results, searched=True)
    states = [by_number[n].state for n in (2, 4, 6, 7, 8, 10)]
    # of the first iteration what is left, then of the second the longest, which trial 7 is too
    assert states == ["running", "waiting", "running", "waiting", "waiting", "waiting"]
    assert by_number[10].words == "waits for a free worker"


def test_where_no_search_is_at_work_nothing_runs(tmp_path):
    by_number = words(tmp_path, searched=False)
    assert by_number[8].state == "waiting"
    assert by_number[8].words == "waits: no search is at work on this run"


def test_a_part_of_the_table_of_trials(tmp_path, monkeypatch):
    monkeypatch.setattr("blockqnn.dashboard.trials.SHOWN", 3)
    written(tmp_path)
    run = read(tmp_path)
    assert "4 to 6 of 12" in (html := trials_table(run, "all", 3, searched=True))
    assert ">8<" in html
    assert ">11<" not in html
    assert "1 to 3 of 3" in trials_table(run, "failed", 0, searched=True)
    assert "No such trial" in trials_table(run, "waiting", 0, searched=True)
    assert workers(run) == 1


def test_the_table_is_of_all_trials(tmp_path):
    written(tmp_path)
    assert len(list(told(read(tmp_path), searched=True))) == len(TRIALS)
