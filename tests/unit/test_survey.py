"""The look before a search: counts against brute force, limits, histogram, times."""

import pytest

from blockqnn.report.histogram import histogram, short
from blockqnn.report.outlook import outlook, outlook_lines
from blockqnn.report.survey import DRAWN, Survey, count_codes, survey
from blockqnn.setup import new_facts
from blockqnn.space.mdp import BlockSpace
from runs import facts

TINY = {"recipe": {"steps": 3}, "execution": {"device": "cpu", "workers": 3}}


def every_code(space, state):
    """All finished codes from a state, one by one."""
    following = space.actions(state)
    return sum(every_code(space, space.step(state, a)) for a in following) if following else 1


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_number_of_codes_is_that_of_all_walks(layers):
    space = BlockSpace(layers)
    assert count_codes(space) == every_code(space, space.start)


def test_the_papers_space_is_counted_at_once():
    assert 10**50 < count_codes(BlockSpace(23)) < 10**53


@pytest.fixture(scope="module")
def digits():
    run, _ = new_facts("small", TINY | {"space": {"max_layers": 8, "max_params": "30k"}})
    return run, survey(run)


def test_what_a_survey_tells(digits):
    run, found = digits
    assert len(found.params) == len(found.flops) == len(found.lengths) == DRAWN
    assert 0 < found.distinct <= DRAWN
    assert max(found.lengths) == 8
    within = sum(p <= 30_000 for p in found.params)
    assert sum(found.admitted) == within
    assert 0 < within < DRAWN
    assert len(found.seconds) == 7
    assert min(found.seconds) > 0
    told = outlook(run, found)
    assert told["admitted"] == within / DRAWN
    assert told["planned_seconds"] == pytest.approx(found.candidate_seconds * 300 / 3)
    assert survey(run).params == found.params  # drawn from the seed


def test_in_words(digits):
    text = "\n".join(outlook_lines(*digits))
    for part in ("1797 images of 8x8x1 in 10 classes", "over the limit", "max_params 30k", "3 workers"):
        assert part in text


def test_a_budget_says_how_many_fit(digits):
    run, found = digits
    settings = run.settings
    plan = settings.plan.model_copy(update={"trials": None, "budget": 600.0})
    run = run.model_copy(update={"settings": settings.model_copy(update={"plan": plan})})
    told = outlook(run, found)
    assert told["expected_evaluations"] == pytest.approx(600 * 3 / found.candidate_seconds)
    assert "fit into 10 min" in outlook_lines(run, found)[-1]


def test_limits_that_leave_nothing():
    found = Survey(10, 2, (3, 4), (500, 900), (10, 20), max_params=100, max_flops=None, seconds=())
    assert found.candidate_seconds is None
    assert "no random block is left" in outlook_lines(facts(), found)[-1]
    assert outlook(facts(), found)["planned_seconds"] is None


def test_a_histogram_has_a_line_a_step():
    lines = histogram([5, 15, 20, 29, 3_500], limit=900)
    assert [line.split()[:4] for line in lines] == [
        ["3", "-", "10", "1"],
        ["10", "-", "30", "3"],
        ["30", "-", "100", "0"],
        ["100", "-", "300", "0"],
        ["300", "-", "1k", "0"],
        ["1k", "-", "3k", "0"],
        ["3k", "-", "10k", "1"],
    ]
    assert [line.count("█") for line in lines] == [14, 40, 0, 0, 0, 0, 14]
    assert ["over the limit" in line for line in lines] == [False] * 5 + [True] * 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (10_000_000, "10M"), (2.5e9, "2.5G"), (3 * 10**18, "3e18")],
)
def test_short_numbers(value, text):
    assert short(value) == text
