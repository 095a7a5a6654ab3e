"""How the budget is shared."""

import pytest

from blockqnn.automatic.shares import SHORTEST, ends, with_half_a_search
from blockqnn.journal import STAGES


@pytest.mark.parametrize("budget", [SHORTEST, 300.0, 600.0, 1800.0, 7200.0, 86400.0])
def test_stages_end_in_order_and_the_last_with_the_budget(budget):
    found = ends(budget)
    assert tuple(found) == STAGES
    assert list(found.values()) == sorted(set(found.values()))
    assert found["test"] == budget


@pytest.mark.parametrize(("budget", "first"), [(300, 15), (600, 30), (2400, 120), (7200, 120)])
def test_the_first_look_takes_a_twentieth_or_two_minutes(budget, first):
    assert ends(budget)["baselines"] == first


def test_the_end_is_kept_free_for_test_and_export():
    assert [b - ends(b)["training"] for b in (60, 300, 1000, 3600, 86400)] == [15, 15, 30, 108, 120]


def test_a_search_that_is_unlikely_to_pay_gets_half_its_time():
    whole = ends(1000)
    half = with_half_a_search(whole)
    assert half["search"] - half["recipe"] == (whole["search"] - whole["recipe"]) / 2
    assert half["selection"] - half["search"] == whole["selection"] - whole["search"]
    assert half["training"] == whole["training"]
    assert list(half) == list(whole)
