"""What a candidate costs, and how it is trained so that enough are seen."""

import pytest

from blockqnn.automatic.fidelity import ENOUGH, StepCost, Timed, chosen, cost_of
from blockqnn.journal import Outlook
from blockqnn.report.less_work import how_trained
from blockqnn.setup import new_facts


def test_the_cost_explains_two_timed_networks():
    small, large = Timed(8, 100.0, 0.5), Timed(26, 1000.0, 3.0)
    cost = cost_of([large, small])
    for layers, values, seconds in (small, large):
        assert cost(layers, values) == pytest.approx(seconds)
    assert cost.layer > 0
    assert cost.value > 0


@pytest.mark.parametrize(
    ("timed", "layer", "value"),
    [
        ([Timed(8, 100.0, 2.0)], 0.0, 0.02),
        ([Timed(8, 100.0, 3.0), Timed(26, 500.0, 2.6)], 0.1, 0.0),  # the larger was faster: noise
        ([Timed(8, 100.0, 0.1), Timed(26, 500.0, 5.0)], 0.0, 0.01),  # a layer would cost less than none
    ],
)
def test_no_part_of_a_cost_is_negative(timed, layer, value):
    cost = cost_of(timed)
    assert (cost.layer, cost.value) == pytest.approx((layer, value))


@pytest.fixture(scope="module")
def digits():
    return new_facts(None, {"data": {"source": "digits"}})[0]


def test_with_much_time_a_candidate_is_trained_as_the_preset_says(digits):
    found = chosen(digits, StepCost(0.001, 0.0), 10_000, workers=2)
    assert found.skeleton == digits.settings.skeleton
    assert found.recipe == digits.settings.recipe


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


def test_what_was_chosen_is_said_and_why(digits):
    def said(seconds):
        found = chosen(digits, cost, seconds, 2)
        left = {"workers": 2, "candidates": found.candidates(seconds, 2)}
        return how_trained(Outlook(**left, **vars(found)), digits.settings)

    cost = StepCost(0.001, 2e-10)
    full = chosen(digits, cost, 1e6, 2).candidate_seconds
    preset = "120 steps of batches of 64, filters 16/32, blocks of up to 8 layers"
    assert said(1e6) == f"as the preset small says: {preset}"
    less = said(full * ENOUGH / 4)
    assert less.startswith("by 80 steps of batches of 64, filters 8/16, blocks of up to 8 layers, so")
    assert less.endswith(f", so that more of them fit; the preset small says {preset}")
