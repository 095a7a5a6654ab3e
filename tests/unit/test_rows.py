"""What is told of a run, from a store written by hand; the reward is the accuracy, 10 % is chance."""

import pytest

from blockqnn.errors import InputError
from blockqnn.records import Failure, Measurement, Observation, Result, Trial
from blockqnn.report import rows
from blockqnn.runtime.facts import problem_of
from blockqnn.runtime.store import Store
from runs import facts

HALVES = {"epsilon": ((1.0, 1), (0.5, 1))}

# Codes of one to five operations.
CONVS = [" ".join(f"({n},1,3,{n - 1},0)" for n in range(1, length + 1)) for length in range(1, 6)]


def trial(number, length, **fields):
    """Four trials an iteration; the key is the number, a repeat has that of its earliest trial."""
    values = {"density": 1.0, "key": str(fields.get("repeat_of", number))} | fields
    return Trial(number=number, iteration=number // 4, code=CONVS[length - 1], **values)


def measured(number, accuracy):
    outcome = Measurement(accuracy=accuracy, flops=1000 + number, params=100 + number)
    return Result(number=number, outcome=outcome, observed=Observation(seconds=2.0))


def failed(number, kind):
    return Result(number=number, outcome=Failure(kind=kind), observed=Observation(seconds=0.5))


TRIALS = [
    trial(0, 1),
    trial(1, 2),
    trial(2, 3, redrawn=3, redrawn_steps=12),  # of 9 operations and 3 terminal layers
    trial(3, 1, repeat_of=0),
    trial(4, 4),
    trial(5, 2, repeat_of=1),  # of a failure
    trial(6, 5, density=None, redrawn=99, redrawn_steps=495),  # the last of 100 over a limit
    trial(7, 5),
    trial(8, 1),  # running
    trial(9, 1, repeat_of=8),  # of a trial in flight
    trial(10, 2),
    trial(11, 1, repeat_of=8),
]
RESULTS = [
    measured(0, 50.0),
    failed(1, "no_learning"),
    measured(2, 70.0),
    measured(4, 70.0),
    failed(6, "over_limit"),
    measured(7, 5.0),
    failed(10, "no_learning"),
]


def written(directory, trials=TRIALS, results=RESULTS, events=(), **changes):
    with Store.create(directory, {"run": facts(**changes).model_dump_json()}) as store:
        store.add(trials, results)
        for kind, body in events:
            store.add(events=[(kind, body)])
    return rows.read(directory)


@pytest.fixture
def view(tmp_path):
    return written(tmp_path / "run")


def test_status(view):
    status = view.status()
    assert status.pop("trajectory")
    assert status == {
        "trials": {
            "planned": 12,
            "finished": 9,
            "evaluated": 4,
            "failed": 3,  # repeats of a failure left out
            "reused": 2,  # not those whose outcome is still to come
            "redrawn": 102,
            "running": 1,
        },
        "failures": {"no_learning": 2, "over_limit": 1},
        "budget": None,
        "warnings": [],
        "best": {
            "trial": 2,
            "code": CONVS[2],
            "accuracy": 70.0,
            "reward": 70.0,
            "params": 102,
            "flops": 1002,
        },
        "seconds": 9.5,
    }


def test_status_of_a_run_without_trials(tmp_path):
    view = written(tmp_path / "run", [], [])
    status = view.status()
    assert status["trials"] == dict.fromkeys(status["trials"], 0) | {"planned": 12}
    assert (status["failures"], status["best"], status["seconds"]) == ({}, None, 0)
    assert view.entries() == view.by_iteration(5) == []


def test_the_trajectory_tells_outcomes_apart_but_not_clocks(tmp_path, view):
    slower = [r.model_copy(update={"observed": Observation(seconds=9, worker="7")}) for r in RESULTS]
    better = [measured(0, 50.1), *RESULTS[1:]]
    same, other = (written(tmp_path / name, results=r) for name, r in (("s", slower), ("b", better)))
    assert same.status()["trajectory"] == view.status()["trajectory"]
    assert other.status()["trajectory"] != view.status()["trajectory"]


def test_rewards_by_trial(view):
    chance, failure = 10.0, 9.0
    expected = [50, failure, 70, 50, 70, failure, failure, chance, None, None, failure, None]
    assert list(view.rewards) == expected


@pytest.mark.parametrize("mu", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("rho", [-8.0, 0.0, 8.0])
def test_a_failure_is_worth_less_than_any_success(mu, rho):
    space = {"max_flops": 10_000_000}
    problem = problem_of(facts(reward={"mu": mu, "rho": rho}, space=space))
    failure = problem.reward(trial(0, 1), Failure(kind="no_learning"))
    over_limit = problem.reward(trial(0, 1, density=None), Failure(kind="over_limit"))
    lowest = min(
        problem.reward(trial(0, 1, density=density), Measurement(accuracy=0, flops=flops, params=1))
        for density in (0.5, 3.0)
        for flops in (20_000, 10_000_000)  # stem and linear layer have 18,752
    )
    assert failure == over_limit
    assert lowest - 2 < failure <= lowest - 1


def test_entries_are_the_evaluated_trials_by_reward_the_lowest_number_first(view):
    assert [(e.trial, e.accuracy, e.reward) for e in view.entries()] == [
        (2, 70.0, 70.0),
        (4, 70.0, 70.0),
        (0, 50.0, 50.0),
        (7, 5.0, 10.0),
    ]


def test_by_iteration(tmp_path):
    view = written(tmp_path / "run", agent={"epsilon": ((1.0, 1), (0.6, 1), (0.2, 1))})
    first, second = view.by_iteration(12)  # the third is not complete
    assert vars(first) == {
        "first": 1,
        "last": 1,
        "epsilon": 1.0,
        "accuracy": pytest.approx((50 + 70 + 50) / 3),
        "reward": (50 + 9 + 70 + 50) / 4,
        "length": (1 + 2 + 3 + 1) / 4,
        "proposed_length": pytest.approx((1 + 2 + 3 + 1 + 9) / (4 + 3)),
        "repeats": 0.25,
    }
    assert vars(second) == {
        "first": 2,
        "last": 2,
        "epsilon": 0.6,
        "accuracy": (70 + 5) / 2,
        "reward": (70 + 9 + 9 + 10) / 4,
        "length": (4 + 2 + 5 + 5) / 4,
        "proposed_length": pytest.approx((4 + 2 + 5 + 5 + 396) / (4 + 99)),
        "repeats": 0.25,
    }
    (both,) = view.by_iteration(1)
    assert (both.first, both.last, both.epsilon) == (1, 2, 1.0)
    assert both.accuracy == pytest.approx((50 + 70 + 50 + 70 + 5) / 5)
    assert both.length == pytest.approx((7 + 16) / 8)


def test_an_iteration_of_failures_has_no_accuracy(tmp_path):
    trials = [trial(n, 1) for n in range(4)]
    (row,) = written(tmp_path / "run", trials, [failed(n, "timeout") for n in range(4)]).by_iteration(3)
    assert (row.accuracy, row.reward) == (None, 9.0)


@pytest.mark.parametrize(("rows", "sizes"), [(1, [5]), (2, [3, 2]), (3, [2, 2, 1]), (9, [1] * 5)])
def test_rows_cover_all_iterations(tmp_path, rows, sizes):
    trials = [trial(n, 1) for n in range(20)]
    table = written(tmp_path / "run", trials, [measured(n, 50) for n in range(20)]).by_iteration(rows)
    assert [row.last - row.first + 1 for row in table] == sizes
    assert [row.first for row in table] == [1 + sum(sizes[:n]) for n in range(len(sizes))]


@pytest.mark.parametrize(
    ("plan", "events", "epsilons"),
    [
        ({"trials": 8}, [("plan", {"trials": 16, "after": 8})], [1.0, 0.5, 0.5, 0.5]),
        ({"trials": 16}, [], [1.0, 1.0, 0.5, 0.5]),
        # told of 0, 0, 4 and 8 evaluations of 16 when they began
        ({"trials": 16, "count": "evaluations", "staleness": 1}, [], [1.0, 1.0, 1.0, 0.5]),
    ],
)
def test_epsilon_is_the_one_of_the_plan_at_that_time(tmp_path, plan, events, epsilons):
    trials = [trial(n, 1) for n in range(16)]
    results = [measured(n, 50) for n in range(16)]
    view = written(
        tmp_path / "run", trials, results, events, plan={"iteration": 4, **plan}, agent=HALVES
    )
    assert view.planned == 16
    assert [row.epsilon for row in view.by_iteration(4)] == epsilons


def test_a_trial_that_was_measured_twice_differently_is_told(tmp_path):
    view = written(tmp_path / "run", events=[("late", {}), ("determinism alarm", 4)])
    assert view.status()["warnings"] == [
        "trial 4 was measured twice, on one kind of machine, and gave two numbers"
    ]


def test_reading_beside_a_writer_shows_what_is_stored_by_then(tmp_path):
    directory = tmp_path / "run"
    with Store.create(directory, {"run": facts().model_dump_json()}) as store:
        store.add(TRIALS[:4])
        before = rows.read(directory).status()["trials"]
        store.add(results=RESULTS[:2])
        after = rows.read(directory).status()["trials"]
    assert (before["finished"], before["running"]) == (0, 3)
    assert (after["finished"], after["running"]) == (3, 1)


def test_trial_by_number(view, tmp_path):
    assert view.trial(3) == TRIALS[3]
    for number in (-1, 12):
        with pytest.raises(InputError, match=f"has no trial {number}; it has 0 to 11"):
            view.trial(number)
    with pytest.raises(InputError, match="has no trial 0; it has none yet"):
        written(tmp_path / "empty", [], []).trial(0)


@pytest.mark.parametrize(("name", "reason"), [("missing", "no such directory"), (".", "holds no run")])
def test_no_run(tmp_path, name, reason):
    with pytest.raises(InputError, match=reason):
        rows.read(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_time_left_at_the_pace_of_the_workers_seen(tmp_path):
    """3 of 12 trials took 4 s each on two workers: 9 more take 9 * 4 / 2."""
    worked = [
        Result(
            number=number,
            outcome=Measurement(accuracy=50.0, flops=1, params=1),
            observed=Observation(seconds=4.0, worker=worker),
        )
        for number, worker in enumerate(["0", "1", "0"])
    ]
    trials = [trial(number, 1) for number in range(4)]
    assert written(tmp_path / "run", trials, worked).seconds_left() == 18.0
    assert written(tmp_path / "new", trials, []).seconds_left() is None


def test_of_near_rewards_the_larger_network_is_to_be_trained_fully_first(tmp_path, monkeypatch):
    accuracies = [90.0, 89.9, 80.0, 70.0, 40.0, 30.0]
    flops = [1_000, 90_000, 1_000, 90_000, 1_000, 1_000]
    pairs = enumerate(zip(accuracies, flops, strict=True))
    entries = [rows.Entry(n, CONVS[0], a, reward=a, params=1, flops=f) for n, (a, f) in pairs]
    monkeypatch.setattr(rows.RunView, "entries", lambda _: entries)
    assert [one.trial for one in written(tmp_path / "run").finalists()][:3] == [1, 0, 2]
