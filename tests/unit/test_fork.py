"""A fork: the measurements of one run under another reward or agent, nothing trained."""

from dataclasses import replace

import pytest

import blockqnn
from blockqnn import searching
from blockqnn.errors import InputError
from blockqnn.network.plan import SKELETONS
from blockqnn.report.rows import read
from blockqnn.runtime.store import Store
from runs import TINY


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """12 trials on the digits, three iterations."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    return blockqnn.search("digits", run=directory, preset="small", settings=TINY)


@pytest.fixture
def nothing_trains(monkeypatch):
    def refuse(*_):
        raise AssertionError("an executor was started")

    monkeypatch.setattr(searching, "_executor", refuse)


def outcomes(run):
    view = read(run.path)
    return [(t.code, t.key, t.repeat_of, view.fold.outcome(t)) for t in view.fold.trials]


def test_measurements_stay_and_rewards_change(finished, tmp_path, nothing_trains):  # noqa: ARG001
    forked = blockqnn.fork(finished.path, tmp_path / "new", settings={"reward": {"rho": -50.0}})
    assert outcomes(forked) == outcomes(finished)
    old, new = finished.status(), forked.status()
    assert new["trials"] == old["trials"]
    assert new["trajectory"] != old["trajectory"]  # other Q-values
    assert new["seconds"] == 0.0  # nothing was trained for it
    assert forked.best().trial != finished.best().trial
    by_trial = {e.trial: e for e in finished.top(100)}
    for entry in forked.top(100):
        assert entry.accuracy == by_trial[entry.trial].accuracy
    view = read(forked.path)
    assert view.facts.settings.reward.rho == -50.0
    assert {view.fold.result(t).observed.source for t in view.fold.trials} == {str(finished.path)}


def test_the_same_settings_give_the_same_trajectory(finished, tmp_path, nothing_trains):  # noqa: ARG001
    forked = blockqnn.fork(finished.path, tmp_path / "new")
    assert forked.status()["trajectory"] == finished.status()["trajectory"]
    assert forked.resume().status() == forked.status()  # finished: trains nothing


def test_the_density_is_the_one_that_the_new_reward_counts(finished, tmp_path):
    forked = blockqnn.fork(finished.path, tmp_path / "new", settings={"reward": {"density": "raw"}})
    old, new = (read(r.path).fold.trials for r in (finished, forked))
    assert [t.code for t in old] == [t.code for t in new]
    assert any(a.density != b.density for a, b in zip(old, new, strict=True))


def test_it_goes_on_with_the_new_agent_from_all_that_was_measured(finished, tmp_path):
    new = tmp_path / "new"
    blockqnn.fork(finished.path, new, settings={"strategy": "random", "plan": {"trials": 20}})
    on = blockqnn.search(run=new)
    assert on.status()["trials"]["finished"] == 20
    assert outcomes(on)[:12] == outcomes(finished)
    assert read(new).fold.trials[12].iteration == 3


def test_only_finished_iterations_are_taken(finished, tmp_path):
    view = read(finished.path)
    part = tmp_path / "part"
    with Store.create(part, {"run": view.facts.model_dump_json()}) as store:
        own = [t for t in view.fold.trials if t.repeat_of is None]
        missing = next(t for t in own if t.iteration == 1)
        store.add(view.fold.trials, [view.fold.result(t) for t in own if t != missing])
    forked = blockqnn.fork(part, tmp_path / "new")
    assert len(read(forked.path).fold.trials) == 4  # the first iteration


def test_a_longer_plan_leaves_the_epsilons_of_the_past(finished, tmp_path):
    forked = blockqnn.fork(finished.path, tmp_path / "new", settings={"plan": {"trials": 400}})
    old, new = read(finished.path), read(forked.path)
    assert [r.epsilon for r in new.by_iteration(9)] == [r.epsilon for r in old.by_iteration(9)]
    assert len({r.epsilon for r in old.by_iteration(9)}) > 1


def test_another_schedule_leaves_the_epsilons_of_the_past(finished, tmp_path):
    other = {"agent": {"epsilon": ((0.7, 1), (0.2, 1))}, "plan": {"trials": 24}}
    blockqnn.fork(finished.path, tmp_path / "new", settings=other)
    agent = {"agent": {"epsilon": ((0.5, 1),)}}
    again = blockqnn.fork(tmp_path / "new", tmp_path / "again", settings=agent)
    old, new = read(finished.path), read(tmp_path / "new")
    past = [r.epsilon for r in old.by_iteration(9)]
    assert 0.7 not in past
    for view in (new, read(again.path)):
        assert [r.epsilon for r in view.by_iteration(9)] == past
    on = read(blockqnn.search(run=tmp_path / "new").path)
    assert [r.epsilon for r in on.by_iteration(9)][len(past) :] == [0.2] * 3


def test_a_fork_into_a_budget_keeps_the_epsilons_of_its_past(finished, tmp_path):
    forked = blockqnn.fork(finished.path, tmp_path / "new", settings={"plan": {"budget": "1h"}})
    old, new = read(finished.path), read(forked.path)
    assert [r.epsilon for r in new.by_iteration(9)] == [r.epsilon for r in old.by_iteration(9)]
    assert new.budget.spent == 0


def test_a_preset_brings_its_values(finished, tmp_path):
    forked = blockqnn.fork(finished.path, tmp_path / "new", settings={"preset": "paper"})
    settings = read(forked.path).facts.settings
    assert (settings.preset, settings.agent.alpha, settings.plan.staleness) == ("paper", 0.01, 0)
    with pytest.raises(InputError, match="'huge' is unknown"):
        blockqnn.fork(finished.path, tmp_path / "other", settings={"preset": "huge"})


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": {"steps": 6}},
        {"skeleton": replace(SKELETONS["small"], widths=(4, 4))},
        {"data": {"split_seed": 1}},
    ],
)
def test_what_was_measured_otherwise_is_not_taken(finished, tmp_path, change):
    forked = blockqnn.fork(finished.path, tmp_path / "new", settings=change)
    view = read(forked.path)
    assert not view.fold.trials
    assert view.facts.protocol != read(finished.path).facts.protocol
    assert view.facts.settings.space == read(finished.path).facts.settings.space


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"plan": {"trials": 11}}, "12 trials are taken"),
        ({"reward": {"rho": "much"}}, "reward.rho"),
        ({"rewards": {"rho": 1}}, "did you mean reward?"),
        ({"space": {"max_params": 5}}, "no block fits"),
    ],
)
def test_wrong_changes_leave_nothing_behind(finished, tmp_path, change, told):
    with pytest.raises(InputError) as error:
        blockqnn.fork(finished.path, tmp_path / "new", settings=change)
    assert told in str(error.value)
    assert not (tmp_path / "new").exists()


def test_places_that_are_refused(finished, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds mine"):
        blockqnn.fork(finished.path, tmp_path)
    with pytest.raises(InputError, match="no such directory"):
        blockqnn.fork(tmp_path / "nowhere", tmp_path / "new")
    with pytest.raises(InputError, match="holds a run already"):
        blockqnn.fork(finished.path, finished.path)
