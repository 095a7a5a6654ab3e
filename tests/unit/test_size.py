"""Size counts until measurements speak against it."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from blockqnn.strategy.size import size_counts

SIZES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_it_counts_where_rewards_rise_with_size_or_nothing_tells():
    assert size_counts([1.0, 2.0, 4.0, 3.0, 5.0, 6.0], SIZES) == 1.0
    for rewards, sizes in (([3.0] * 6, SIZES), (SIZES, [2.0] * 6), ([], []), ([1.0], [1.0])):
        assert size_counts(rewards, sizes) == 1.0


def test_where_rewards_fall_it_counts_as_far_as_that_may_be_chance():
    rewards = [6.0, 4.0, 5.0, 3.0, 1.0, 2.0]
    expected = spearmanr(SIZES, rewards).pvalue
    assert size_counts(rewards, SIZES) == pytest.approx(expected)
    assert 0 < expected < 0.05


def test_without_a_relation_it_mostly_counts():
    rng = np.random.default_rng(0)
    drawn = [size_counts(rng.normal(size=30).tolist(), rng.normal(size=30).tolist()) for _ in range(300)]
    assert 0.65 < np.mean(drawn) < 0.85  # half are 1, the others uniform
    assert sum(value < 0.05 for value in drawn) < 20
