"""What callbacks are told: each trial once, in order; and that nothing they do changes the search."""

import random
import time
from itertools import count

import numpy as np
import pytest
import torch

from blockqnn import search
from blockqnn.callbacks.callback import Callback
from blockqnn.records import Failure, Measurement
from blockqnn.report.rows import read
from blockqnn.runtime.fold import Fold
from runs import TINY
from watching import Remembers, Untidy, interrupt_every, session

METHODS = "begun", "told", "iteration", "changed", "ended"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The run that nobody watched."""
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    session(directory)
    return read(directory)


def trajectory(directory):
    return read(directory).status()["trajectory"]


def test_the_search_has_all_that_is_to_be_told(undisturbed):
    """Failures, repeats, some of them proposed while the first trial with their key was in flight."""
    counts = undisturbed.status()["trials"]
    assert counts["finished"] == 40
    assert min(counts["failed"], counts["reused"], counts["evaluated"]) > 2


@pytest.mark.parametrize("seed", range(4))
def test_each_trial_is_told_once_as_results_arrive(tmp_path, seed):
    watcher = Remembers()
    executor = session(tmp_path / "run", [watcher], Untidy(seed))
    trials = read(tmp_path / "run").fold.trials
    told = watcher.trials()
    assert sorted(told) == list(range(40))
    own = [number for number in told if trials[number].repeat_of is None]
    assert own == executor.finished != sorted(own)


@pytest.mark.parametrize("seed", range(4))
def test_a_repeat_is_told_right_after_its_first_or_when_it_is_proposed(tmp_path, seed):
    proposed, known, waited, late = 0, [], 0, 0  # `known`: how many trials there were, a call

    def look(method, *arguments):
        nonlocal proposed
        if method == "changed":
            proposed = len(arguments[0].fold.trials)
        if method == "told":
            known.append(proposed)

    watcher = Remembers(look)
    session(tmp_path / "run", [watcher], Untidy(seed))
    told = [trial for trial, _, _ in watcher.of("told")]
    for place, trial in enumerate(told):
        if trial.repeat_of is not None and trial.number < known[place]:  # it waited
            waited += 1
            before = told[place - 1]
            assert trial.repeat_of in (before.number, before.repeat_of)
        elif trial.repeat_of is not None:
            late += 1
            assert trial.repeat_of in [earlier.number for earlier in told[:place]]
    assert waited > 0 < late


def test_what_is_told_is_what_readers_see(tmp_path):
    watcher = Remembers()
    session(tmp_path / "run", [watcher])
    run = read(tmp_path / "run")
    told = {trial.number: (trial, outcome, reward) for trial, outcome, reward in watcher.of("told")}
    for trial, reward in zip(run.fold.trials, run.rewards, strict=True):
        assert told[trial.number] == (trial, run.fold.outcome(trial), reward)
    assert {type(outcome) for _, outcome, _ in told.values()} == {Failure, Measurement}
    assert [row for (row,) in watcher.of("iteration")] == run.by_iteration(5)
    assert len(run.by_iteration(5)) == 5
    assert watcher.of("ended") == [(run.status(),)]


def test_iterations_of_a_budget_have_the_epsilon_at_which_they_began(tmp_path):
    """Which follows the clock, so only the store knows it."""

    class Slow(Untidy):
        def wait(self, timeout=None):
            time.sleep(0.02)
            return super().wait(timeout)

    watcher = Remembers()
    session(tmp_path / "run", [watcher], Slow(0), trials=None, budget=1.5)
    rows = [row for (row,) in watcher.of("iteration")]
    assert rows == read(tmp_path / "run").by_iteration(1000)
    assert len({row.epsilon for row in rows}) > 1


def test_the_order_of_the_calls(tmp_path):
    """An iteration comes when its trials were told, and a change when all is told that it brought."""
    watcher = Remembers()
    session(tmp_path / "run", [watcher])
    names = [name for name, _ in watcher.calls]
    assert (names[0], names[-1]) == ("begun", "ended")
    assert (names.count("begun"), names.count("ended")) == (1, 1)
    seen, rows = set(), 0
    for name, arguments in watcher.calls:
        if name == "told":
            seen.add(arguments[0].number)
        if name == "iteration":
            rows += 1
            assert arguments[0].first == arguments[0].last == rows
            assert seen >= set(range(8 * rows))
        if name == "changed":
            progress = arguments[0]
            assert len(seen) <= len(progress.fold.trials)
    assert names[-2] == "changed"


def test_a_callback_needs_to_define_nothing(tmp_path, undisturbed, capsys):
    session(tmp_path / "run", [Callback()])
    assert capsys.readouterr().err == ""
    assert trajectory(tmp_path / "run") == undisturbed.status()["trajectory"]


# Sessions


@pytest.mark.parametrize("calls", [3, 5, 7])
def test_what_earlier_sessions_told_is_not_told_again(tmp_path, undisturbed, calls):
    sessions = []
    for seed in range(40):
        sessions.append(Remembers())
        watched = [sessions[-1], interrupt_every(calls)]
        try:
            session(tmp_path / "run", watched, Untidy(seed))
        except KeyboardInterrupt:
            continue
        break
    assert len(sessions) > 2
    told = []
    for watcher in sessions:
        ((run,),) = watcher.of("begun")
        assert sorted(told) == [trial.number for trial, _, _ in run.outcomes()]
        told += watcher.trials()
        assert watcher.of("ended")[0][0]["trials"]["finished"] == len(told)
    assert sorted(told) == list(range(40))  # each once
    rows = [row.first for watcher in sessions for (row,) in watcher.of("iteration")]
    assert rows == sorted(set(rows))
    assert trajectory(tmp_path / "run") == undisturbed.status()["trajectory"]


def test_what_was_stored_when_the_interrupt_came_is_told_at_the_end(tmp_path, monkeypatch):
    """Between the store and the fold, where the loop reports no more."""
    adds, add = count(), Fold.add_results

    def interrupted(fold, results):
        if next(adds) == 9:
            raise KeyboardInterrupt
        add(fold, results)

    watcher = Remembers()
    with monkeypatch.context() as patch:
        patch.setattr(Fold, "add_results", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session(tmp_path / "run", [watcher])
    stored = [trial.number for trial, _, _ in read(tmp_path / "run").outcomes()]
    assert sorted(watcher.trials()) == stored
    assert len(stored) > 4
    assert [name for name, _ in watcher.calls][-2:] == ["told", "ended"]


def test_a_finished_run_tells_nothing_new(tmp_path):
    session(tmp_path / "run")
    watcher = Remembers()
    session(tmp_path / "run", [watcher])
    assert [name for name, _ in watcher.calls] == ["begun", "changed", "ended"]
    assert len(list(watcher.of("begun")[0][0].outcomes())) == 40


def test_an_extended_run_tells_what_is_new(tmp_path):
    session(tmp_path / "run", trials=20)
    watcher = Remembers()
    session(tmp_path / "run", [watcher], trials=40)
    assert sorted(watcher.trials()) == list(range(20, 40))


# Callbacks that fail


@pytest.mark.parametrize("method", METHODS)
def test_an_error_is_told_once_and_that_callback_left_out(tmp_path, undisturbed, capsys, method):
    def fail(name, *_):
        if name == method:
            raise ZeroDivisionError("by\nnothing")

    failing, watcher = Remembers(fail), Remembers()
    session(tmp_path / "run", [failing, watcher])
    assert capsys.readouterr().err == (
        f"callback Remembers.{method}: ZeroDivisionError: by nothing; it is left out from here on\n"
    )
    before = [name for name, _ in watcher.calls].index(method)
    assert [name for name, _ in failing.calls] == [name for name, _ in watcher.calls[:before]]
    assert len(watcher.of("told")) == 40
    assert watcher.of("ended") == [(undisturbed.status(),)]


@pytest.mark.parametrize("error", [SystemExit(3), RecursionError(), MemoryError()])
def test_no_error_of_a_callback_ends_a_search(tmp_path, undisturbed, capsys, error):
    def fail(name, *_):
        if name == "told":
            raise error

    session(tmp_path / "run", [Remembers(fail)])
    assert type(error).__name__ in capsys.readouterr().err
    assert trajectory(tmp_path / "run") == undisturbed.status()["trajectory"]


def test_what_is_no_callback_is_told_too(tmp_path, undisturbed, capsys):
    session(tmp_path / "run", [object()])
    assert "callback object.begun: AttributeError" in capsys.readouterr().err
    assert trajectory(tmp_path / "run") == undisturbed.status()["trajectory"]


# The whole search, with training


class Meddler(Callback):
    """Draws from and reseeds every generator that there is."""

    def __init__(self):
        self.calls = 0

    def told(self, *_):
        self.calls += 1
        random.seed(self.calls), np.random.seed(self.calls), torch.manual_seed(self.calls)
        random.random(), np.random.rand(), torch.rand(1)

    def changed(self, _):
        self.told()


def test_a_search_is_the_same_with_and_without_callbacks(tmp_path):
    def tiny(name, *callbacks):
        options = {"preset": "small", "settings": TINY, "callbacks": callbacks}
        return search("digits", run=tmp_path / name, **options).status() | {"seconds": 0}

    meddler, watcher = Meddler(), Remembers()
    alone = tiny("alone")
    assert tiny("watched", meddler, watcher) == alone
    assert meddler.calls > 12
    assert len(watcher.of("told")) == 12
