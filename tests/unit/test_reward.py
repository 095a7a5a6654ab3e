"""Eq. 7 on the 99 points of fig. 6, and what must hold of every reward."""

import math

import pytest
from scipy.stats import pearsonr, spearmanr

from blockqnn.strategy.reward import RewardRule, corrected_reward, failure_reward
from fig6 import POINTS


@pytest.mark.parametrize(
    ("rule", "accuracy", "flops", "density", "expected"),
    [
        (RewardRule(mu=0, rho=0), 60.0, 0, 0, 60.0),  # terms without weight need no numbers
        (RewardRule(mu=1, rho=8, reference=100), 60.0, 100, 1.0, 60.0),
        (RewardRule(mu=1, rho=0, reference=100), 60.0, 100 * math.e**2, 1.0, 58.0),
        (RewardRule(mu=0, rho=8, base=2), 60.0, 0, 2.0, 52.0),
        (RewardRule(mu=2, rho=1, base=10, reference=1), 60.0, 1000, 0.1, 55.0),  # -6 + 1
        (RewardRule(mu=0, rho=0, chance=10), 3.0, 0, 0, 10.0),  # below chance counts as chance
    ],
)
def test_eq_7_by_hand(rule, accuracy, flops, density, expected):
    assert corrected_reward(rule, accuracy, flops, density) == pytest.approx(expected)


@pytest.mark.parametrize("mu", [-2.0, 0.0, 1.0])
@pytest.mark.parametrize("rho", [-8.0, 0.0, 8.0])
@pytest.mark.parametrize("base", [2, math.e, 10])
def test_a_failure_is_below_the_worst_success(mu, rho, base):
    rule = RewardRule(mu, rho, base, reference=1e6, chance=10.0, flops_bounds=(1e4, 1e9))
    worst = min(
        corrected_reward(rule, 0.0, flops, density)
        for flops in (1e4, 1e6, 1e9)
        for density in (0.5, 1, 3)
    )
    assert failure_reward(rule) == pytest.approx(worst - 1.0)


def correlations(score):
    final = [point.final for point in POINTS]
    scores = [score(point) for point in POINTS]
    return pearsonr(scores, final)[0], spearmanr(scores, final)[0]


def rewarded(base):
    rule = RewardRule(mu=1, rho=8, base=base)
    return lambda p: corrected_reward(rule, p.accuracy, p.flops, p.density)


@pytest.mark.parametrize(
    ("name", "score", "expected"),
    [
        ("early-stop accuracy", lambda p: p.accuracy, (0.38, 0.36)),
        ("reward as plotted", lambda p: p.reward, (0.46, 0.51)),
        ("eq. 7, base 2", rewarded(2), (0.44, 0.50)),
        ("eq. 7, natural", rewarded(math.e), (0.48, 0.53)),
        ("eq. 7, base 10", rewarded(10), (0.52, 0.54)),
    ],
)
def test_correlation_with_the_final_accuracy_of_the_99_models(name, score, expected):
    assert len(POINTS) == 99
    # the figures came from unrounded points; these are rounded, with many ties in accuracy
    assert correlations(score) == pytest.approx(expected, abs=0.025), name


def test_the_plotted_reward_is_eq_7_with_base_2_and_rho_4():
    """accuracy - log2 FLOPs - 4.09 log2 density + 8.18, to the plot's resolution."""
    rule = RewardRule(mu=1, rho=4.09, base=2)
    misses = [p.reward - 8.18 - corrected_reward(rule, p.accuracy, p.flops, p.density) for p in POINTS]
    # the accuracy was read to 0.1, FLOPs to 0.02
    assert abs(sum(misses) / 99) < 0.05
    assert sum(abs(m) < 0.25 for m in misses) >= 90
