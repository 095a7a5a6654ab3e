"""Each equation by hand."""

import pytest

from blockqnn.strategy.q_learning import (
    bellman_target,
    monte_carlo_return,
    shaped_reward,
    step_size,
    updated,
)


@pytest.mark.parametrize(("r_T", "T", "expected"), [(60.0, 3, 20.0), (-6.0, 4, -1.5), (5.0, 1, 5.0)])
def test_shaped_reward(r_T, T, expected):
    assert shaped_reward(r_T, T) == expected


@pytest.mark.parametrize(
    ("q", "alpha", "target", "expected"),
    [
        (0.0, 0.01, 50.0, 0.5),
        (10.0, 0.5, 20.0, 15.0),
        (10.0, 1.0, 20.0, 20.0),
        (10.0, 0.25, -2.0, 7.0),  # 7.5 - 0.5
    ],
)
def test_updated(q, alpha, target, expected):
    assert updated(q, alpha, target) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("r_t", "gamma", "best", "expected"), [(2.0, 1.0, 10.0, 12.0), (2.0, 0.5, 10.0, 7.0), (0, 0.9, 0, 0)]
)
def test_bellman_target(r_t, gamma, best, expected):
    assert bellman_target(r_t, gamma, best) == expected


def test_monte_carlo_return_of_three_steps():
    last = 9.0
    second = monte_carlo_return(3.0, 0.5, last)  # 3 + 4.5
    assert (second, monte_carlo_return(3.0, 0.5, second)) == (7.5, 6.75)


def test_a_step_of_one_over_visits_gives_the_mean():
    q = 123.0  # forgotten at the first visit
    for visits, target in enumerate([4.0, 8.0, 0.0], start=1):
        q = updated(q, step_size(visits), target)
    assert q == pytest.approx(4.0)
