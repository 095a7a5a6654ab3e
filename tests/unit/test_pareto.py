"""The Pareto front against its definition, and as users see it."""

import json
import random

import pytest

from blockqnn.errors import InputError
from blockqnn.records import Latency
from blockqnn.report.pareto import front
from blockqnn.report.rows import Entry


def entry(trial, accuracy, params, flops=1, latency=None):
    timed = None if latency is None else Latency(milliseconds=latency, noise=0)
    return Entry(trial, "(1,4,0,0,0)", accuracy, 0.0, params, flops, timed)


def price(entry, cost):
    return entry.latency.milliseconds if cost == "latency" else getattr(entry, cost)


def by_definition(entries, cost):
    def beats(one, other):
        at_least = one.accuracy >= other.accuracy and price(one, cost) <= price(other, cost)
        better = one.accuracy > other.accuracy or price(one, cost) < price(other, cost)
        return at_least and better

    kept = [e for e in entries if not any(beats(other, e) for other in entries)]
    return sorted(kept, key=lambda e: (price(e, cost), e.trial))


@pytest.mark.parametrize("cost", ["params", "flops", "latency"])
@pytest.mark.parametrize("values", [3, 8, 1000])  # few: many ties and equal points
def test_it_is_what_nothing_beats(cost, values):
    rng = random.Random(values)
    for count in (1, 2, 5, 60):
        drawn = [[rng.randint(1, values) for _ in range(4)] for _ in range(count)]
        entries = [entry(n, float(a), p, f, t) for n, (a, p, f, t) in enumerate(drawn)]
        rng.shuffle(entries)
        assert front(entries, cost) == by_definition(entries, cost)


def test_by_hand():
    """Equal points stay both; at equal cost, or equal accuracy, only the better one does."""
    entries = [
        entry(0, 50, 10),
        entry(1, 60, 20),
        entry(2, 60, 20),
        entry(3, 55, 20),
        entry(4, 60, 30),
        entry(5, 61, 40),
        entry(6, 40, 10),
    ]
    assert [e.trial for e in front(reversed(entries), "params")] == [0, 1, 2, 5]
    assert front([], "latency") == []


def test_what_was_not_timed_is_left_out_and_nothing_timed_is_told():
    some = [entry(0, 50, 1), entry(1, 40, 1, latency=2.0)]
    assert [e.trial for e in front(some, "latency")] == [1]
    with pytest.raises(InputError, match="pareto latency: this run measured none"):
        front(some[:1], "latency")
    with pytest.raises(InputError, match="pareto 'speed': the cost is one of params, flops, latency"):
        front(some, "speed")


@pytest.mark.parametrize("cost", ["params", "flops"])
def test_the_command_and_python_tell_the_same(blockqnn, finished, cost):
    answer = blockqnn("top", "run", "--pareto", cost, "--json")
    assert (answer.status, answer.err) == (0, "")
    expected = by_definition(finished.top(99), cost)
    assert len(expected) > 1
    assert finished.pareto(cost) == expected
    assert json.loads(answer.out) == [e.told() for e in expected]
    text = blockqnn("top", "run", "--pareto", cost, "-n", "2").out
    assert [line.split()[0] for line in text.splitlines()[1:]] == [str(e.trial) for e in expected[:2]]
