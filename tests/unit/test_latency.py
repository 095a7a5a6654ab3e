"""Latency as a goal: how it is taken, what its limit does, and what stands of it in other runs."""

import json
import math
from itertools import accumulate, chain, repeat

import pytest
import torch

import blockqnn
from blockqnn.config import merged, resolve
from blockqnn.errors import InputError
from blockqnn.evaluation import latency
from blockqnn.evaluation.latency import TimedEvaluator, latency_of
from blockqnn.records import OUTCOME, Failure, Latency, Measurement, Task, Trial
from blockqnn.report.rows import read
from blockqnn.runtime.facts import problem_of
from blockqnn.runtime.store import Store
from runs import TINY, facts
from stripes import CONV, SKELETON, planned, stripes


def made_up(plan, _device):
    """A millisecond for each 100 parameters, so that there is something to decide about."""
    return Latency(milliseconds=plan.params / 100, noise=0.25)


@pytest.fixture
def timed(monkeypatch):
    """The parameters of each network that was timed."""
    seen = []
    monkeypatch.setattr(
        latency, "latency_of", lambda *what: seen.append(what[0].params) or made_up(*what)
    )
    return seen


def searched(directory, settings, **options):
    return blockqnn.search(
        "digits", run=directory, preset="small", settings=merged(TINY, settings), **options
    )


def outcomes(run):
    """By trial, repeats left out."""
    view = read(run.path)
    return {t.number: view.fold.outcome(t) for t in view.fold.trials if t.repeat_of is None}


# How it is taken


def test_median_and_noise_of_the_passes_after_those_that_warm_up():
    """30 passes of 1 to 30 ms: the middle is 15.5, the middle half spans 8.25 to 22.75."""
    passes = [99.0] * 5 + [0.001 * n for n in range(30, 0, -1)]
    ends = accumulate(chain.from_iterable(zip(repeat(0.0), passes)))  # a clock read before and after
    found = latency_of(planned(), "cpu", clock=lambda: next(ends))
    assert found.milliseconds == pytest.approx(15.5)
    assert found.noise == pytest.approx((22.75 - 8.25) / 2)
    with pytest.raises(StopIteration):
        next(ends)


def test_one_image_in_evaluation_mode_by_rows_of_channels(monkeypatch):
    seen = []

    def build(plan, seed):
        network = original(plan, seed)
        network.register_forward_pre_hook(
            lambda module, images: seen.append(
                (module.training, torch.is_inference_mode_enabled(), *images)
            )
        )
        return network

    original = latency.build
    monkeypatch.setattr(latency, "build", build)
    before = torch.random.get_rng_state()
    assert latency_of(planned(), "cpu").milliseconds > 0
    assert torch.equal(before, torch.random.get_rng_state())
    for training, inference, image in seen:
        assert (training, inference) == (False, True)
        assert (image.shape, image.dtype) == ((1, 1, 6, 6), torch.float32)
        assert image.is_contiguous(memory_format=torch.channels_last)
    assert len(seen) == 35


# The limit


@pytest.mark.parametrize(("limit", "trained"), [(None, True), (2.06, True), (2.05, False)])
def test_above_the_limit_nothing_is_trained(timed, limit, trained):
    """The block has 206 parameters: 2.06 ms, which are no more than themselves."""
    assert planned().params == 206
    done = []

    def evaluate(task):
        done.append(task)
        return Measurement(accuracy=50.0, flops=1, params=1)

    evaluate.fingerprint = "here"
    settings = resolve("small", {"skeleton": SKELETON, "latency": {"limit": limit, "measure": True}})
    evaluator = TimedEvaluator(evaluate, settings, stripes(), "cpu")
    found = evaluator(Task(number=0, code=CONV, seed=0))
    assert (timed, evaluator.fingerprint, bool(done)) == ([206], "here", trained)
    if trained:
        assert found.latency == Latency(milliseconds=2.06, noise=0.25)
    else:
        assert found.kind == "over_latency"
        assert found.detail == "2.060 ms (+- 0.250) for one image; the limit is 2.05 ms"


def test_a_failure_stays_the_failure_that_it_is(timed):  # noqa: ARG001
    def evaluate(_):
        return Failure(kind="no_learning")

    settings = resolve("small", {"skeleton": SKELETON, "latency": {"measure": True}})
    evaluator = TimedEvaluator(evaluate, settings, stripes(), "cpu")
    assert evaluator(Task(number=0, code=CONV, seed=0)) == Failure(kind="no_learning")


@pytest.fixture
def limited(timed, tmp_path):  # noqa: ARG001
    """A run of 12 trials whose limit some networks pass and others do not."""
    return searched(tmp_path / "limited", {}, max_latency="5ms")


def test_a_search_keeps_its_limit(limited):
    found = outcomes(limited)
    measured = [o for o in found.values() if isinstance(o, Measurement)]
    refused = [o for o in found.values() if o.type == "failure" and o.kind == "over_latency"]
    assert min(len(measured), len(refused)) > 0
    assert max(o.latency.milliseconds for o in measured) <= 5
    assert all(o.latency == made_up(o, "cpu") for o in measured)
    assert limited.status()["failures"]["over_latency"] == len(refused)
    assert limited.best().told()["latency"] == limited.best().latency.model_dump()


def test_people_see_latency_and_noise(limited, blockqnn):
    best = limited.best()
    told = f"{best.latency.milliseconds:.3f} ms (+- 0.250)"
    assert f"FLOPs, latency {told}" in blockqnn("status", str(limited.path)).out
    heading, first, *_ = blockqnn("top", str(limited.path)).out.splitlines()
    assert "latency" in heading
    assert told in first
    front = blockqnn("top", str(limited.path), "--pareto", "latency", "--json")
    assert [e["trial"] for e in json.loads(front.out)] == [e.trial for e in limited.pareto("latency")]


def test_each_network_is_timed_once(limited, tmp_path, timed):
    assert len(timed) == len(outcomes(limited)) < len(read(limited.path).fold.trials)  # repeats are not
    measured = [o.params for o in outcomes(limited).values() if isinstance(o, Measurement)]
    timed.clear()
    again = searched(tmp_path / "again", {}, max_latency="5ms", source=limited.path)
    assert outcomes(again).keys() == outcomes(limited).keys()
    assert len(timed) == len(outcomes(limited)) - len(measured)  # the failures alone
    assert max(timed) > 500


def test_evaluators_of_the_users_own_are_timed_too(timed, tmp_path):
    plugin = tmp_path / "own.py"
    plugin.write_text("EVALUATORS = {'half': lambda network, dataset, task: 50.0}\n")
    run = searched(
        tmp_path / "run", {}, max_latency="5ms", plugins=[plugin], evaluator="half", strategy="random"
    )
    found = outcomes(run).values()
    assert len(timed) == len(found)
    assert {getattr(o, "kind", o.type) for o in found} == {"measurement", "over_latency"}
    assert all(e.latency for e in run.top(99))


def test_off_nothing_is_timed_and_nothing_is_stored(timed, tmp_path):
    run = searched(tmp_path / "run", {})
    assert not timed
    with Store.read(run.path) as store:
        rows = store._connection.execute("SELECT outcome FROM results").fetchall()
    assert not [text for (text,) in rows if b"latency" in text]
    assert "latency" not in run.best().told()


def test_a_measurement_of_before_is_one_without():
    stored = '{"type":"measurement","accuracy":50.0,"flops":3,"params":2,"steps":1,"restarts":0}'
    found = OUTCOME.validate_json(stored)
    assert found.latency is None
    assert found.model_dump_json(exclude_none=True) == stored


# The reward


def rewards(weight, limit=None):
    changes = {"reward": {"mu": 0.0, "rho": 0.0, "latency": weight}, "latency": {"limit": limit}}
    problem = problem_of(facts(**changes))
    trial = Trial(number=0, iteration=0, code=CONV, key="", density=1.0)

    def reward(accuracy, milliseconds):
        timed = Latency(milliseconds=milliseconds, noise=0)
        return problem.reward(trial, Measurement(accuracy=accuracy, flops=1, params=1, latency=timed))

    return reward, problem.reward(trial, Failure(kind="over_latency"))


def test_the_reference_is_a_millisecond():
    reward, _ = rewards(2.0)
    assert reward(60.0, 1.0) == 60.0
    assert reward(60.0, math.e) == pytest.approx(58.0)
    assert reward(60.0, 1 / math.e) == pytest.approx(62.0)


@pytest.mark.parametrize(("limit", "slowest"), [(8.0, 8.0), (None, 1e9), (5000.0, 5000.0)])
def test_a_failure_is_a_point_below_the_slowest_that_learned_nothing(limit, slowest):
    reward, failure = rewards(3.0, limit)
    assert failure == pytest.approx(reward(0.0, slowest) - 1)


# Forks and sources


def test_a_stricter_limit_in_a_fork_makes_failures_of_what_was_measured(limited, tmp_path):
    fork = blockqnn.fork(limited.path, tmp_path / "fork", settings={"latency": {"limit": "900us"}})
    for number, old in outcomes(limited).items():
        new = outcomes(fork)[number]
        if isinstance(old, Measurement) and old.latency.milliseconds > 0.9:
            assert (new.kind, "the limit is 0.9 ms" in new.detail) == ("over_latency", True)
        else:
            assert new == old
    assert outcomes(fork) != outcomes(limited)


@pytest.mark.parametrize("limit", ["6ms", None])
def test_a_wider_limit_in_a_fork_evaluates_what_was_refused(limited, tmp_path, timed, limit):
    refused = {
        n for n, o in outcomes(limited).items() if o.type == "failure" and o.kind == "over_latency"
    }
    changes = {"latency": {"limit": limit, "measure": True}}
    fork = blockqnn.fork(limited.path, tmp_path / "fork", settings=changes)
    assert {n for n, o in outcomes(fork).items() if o is None} == refused
    timed.clear()
    fork.resume()
    assert len(timed) == len(refused)
    assert None not in outcomes(fork).values()
    if limit is None:
        assert not [o for o in outcomes(fork).values() if getattr(o, "kind", "") == "over_latency"]


def test_another_weight_in_a_fork_changes_rewards_alone(limited, tmp_path):
    fork = blockqnn.fork(limited.path, tmp_path / "fork", settings={"reward": {"latency": 4.0}})
    assert outcomes(fork) == outcomes(limited)
    old, new = ({e.trial: e for e in r.top(99)} for r in (limited, fork))
    for number, entry in new.items():
        less = 4 * math.log(entry.latency.milliseconds)
        assert entry.reward == pytest.approx(old[number].reward - less)


def test_what_was_not_timed_does_not_stand_where_latency_is_wanted(limited, tmp_path, timed):
    plain = searched(tmp_path / "plain", {})
    wanted = {"reward": {"latency": 1.0}}
    assert not read(blockqnn.fork(plain.path, tmp_path / "fork", settings=wanted).path).fold.trials
    with pytest.raises(InputError, match="latency was not measured"):
        searched(tmp_path / "new", wanted, source=plain.path)
    timed.clear()
    freed = searched(tmp_path / "freed", {}, source=limited.path)  # the other way they do
    assert not timed
    assert any(entry.latency for entry in freed.top(99))
