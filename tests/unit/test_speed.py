"""The coordinator's cost at the paper's size; the numbers are printed by benchmarks/coordinator.py."""

import pytest

import coordinator

pytestmark = pytest.mark.alone


def test_64_walks_and_64_replays_take_under_50_ms():
    assert coordinator.walks_and_replays() < 0.050


def test_an_ask_of_64_accepted_proposals_takes_under_a_second():
    assert coordinator.whole_ask() < 1.0


def test_help_answers_at_once():
    assert coordinator.help_seconds() < 0.5


@pytest.mark.slow
def test_a_store_of_11392_trials_is_ready_in_5_seconds_and_300_mb(tmp_path):
    coordinator.fill(tmp_path)
    trials, seconds, megabytes, torch = coordinator.open_store(tmp_path)
    assert trials == 11_392
    assert seconds < 5.0
    assert megabytes < 300
    assert not torch
