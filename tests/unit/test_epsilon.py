import pytest

from blockqnn.config import PAPER_EPSILON
from blockqnn.strategy.epsilon import epsilon_at


def test_the_published_schedule_has_178_iterations_of_64_blocks():
    assert sum(n for _, n in PAPER_EPSILON) == 178
    assert 178 * 64 == 11_392


def test_every_iteration_of_table_2():
    expected = [epsilon for epsilon, count in PAPER_EPSILON for _ in range(count)]
    assert [epsilon_at(k / 178, PAPER_EPSILON) for k in range(178)] == expected


@pytest.mark.parametrize("iterations", [7, 20, 89, 356, 1000])
def test_scaled_to_another_length_each_level_keeps_its_share(iterations):
    seen = [epsilon_at(k / iterations, PAPER_EPSILON) for k in range(iterations)]
    assert seen == sorted(seen, reverse=True)
    for epsilon, count in PAPER_EPSILON:
        assert abs(seen.count(epsilon) - count / 178 * iterations) <= 1


@pytest.mark.parametrize(("share", "epsilon"), [(0.0, 1.0), (0.49, 1.0), (0.5, 0.2), (1.0, 0.2)])
def test_two_levels(share, epsilon):
    assert epsilon_at(share, ((1.0, 3), (0.2, 3))) == epsilon
