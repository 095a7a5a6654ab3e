"""What a candidate costs, and how it is trained so that enough are seen."""

import pytest

from blockqnn.automatic.fidelity import ENOUGH, StepCost, chosen, cost_of
from blockqnn.setup import new_facts


def test_the_cost_is_the_line_through_two_measurements():
    cost = cost_of([(100.0, 2.0), (300.0, 3.0)])
    assert (cost.step, cost.flop) == pytest.approx((1.5, 0.005))
    assert cost(2.0, 100) == pytest.approx(2.5)


@pytest.mark.parametrize(
    "measured",
    [
        [(100.0, 2.0)],
        [(100.0, 3.0), (300.0, 2.0)],  # the larger network was faster: noise
        [(100.0, 0.1), (300.0, 3.0)],  # the line would fall below zero
    ],
)
def test_a_cost_is_never_negative(measured):
    cost = cost_of(measured)
    assert cost.step == 0
    flops, seconds = max(measured)
    assert cost(flops, 1) == pytest.approx(seconds)


@pytest.fixture(scope="module")
def digits():
    return new_facts(None, {"data": {"source": "digits"}})[0]


def test_with_much_time_a_candidate_is_trained_as_the_preset_says(digits):
    found = chosen(digits, StepCost(0.001, 0.0), 10_000, workers=2)
    assert found.skeleton == digits.settings.skeleton
    assert found.recipe == digits.settings.recipe
    assert found.candidate_seconds == pytest.approx(1.15 * 120 * 0.001)


def test_with_less_time_it_is_trained_less_in_a_thinner_network(digits):
    cost = StepCost(0.001, 2e-10)
    full = chosen(digits, cost, 1e6, 2)
    short = chosen(digits, cost, full.candidate_seconds * ENOUGH / 4, 2)
    assert short.skeleton.widths < full.skeleton.widths
    assert short.candidate_seconds < full.candidate_seconds
    assert short.max_flops < full.max_flops


def test_candidates_share_the_workers(digits):
    found = chosen(digits, StepCost(0.01, 0.0), 1e6, 1)
    one, two = found.candidates(1000, 1), found.candidates(1000, 2)
    assert two == pytest.approx(2 * one, abs=1)
    assert found.candidates(1, 2) == 0  # workers have not begun yet
