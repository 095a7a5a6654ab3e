"""Which designs deserve a full training: reward first, size where rewards are near."""

import numpy as np
import pytest

from blockqnn.strategy.finalists import finalists
from blockqnn.tables.table import Table


def test_equal_rewards_are_ordered_by_size():
    assert finalists([5.0, 5.0, 5.0, 1.0], [1.0, 3.0, 2.0, 9.0]) == [1, 2, 0, 3]


def test_a_clear_lead_counts_for_more_than_size():
    rewards = [90.0, 89.9, 80.0, 79.0, 60.0, 50.0]
    assert finalists(rewards, [1.0, 1.1, 9.0, 1.0, 1.0, 1.0])[0] == 0


def test_half_a_deviation_of_the_better_half_for_one_of_log_size():
    sizes = [0.0, 2.0, 0.0, 0.0, 2.0, 2.0]  # deviation 1
    assert finalists([80.0, 79.0, 70.0, 9.0, 9.0, 9.0], sizes)[:2] == [1, 0]  # 2 x 0.5 x 4.5 > 1
    assert finalists([80.0, 75.0, 70.0, 9.0, 9.0, 9.0], sizes)[:2] == [0, 1]  # 2 x 0.5 x 4.1 < 5


def test_without_sizes_or_spread_rewards_decide_and_the_first_of_equals():
    assert finalists([1.0, 3.0, 3.0, 2.0], [4.0] * 4) == [1, 2, 3, 0]
    assert finalists([], []) == []


def test_the_unit_of_size_changes_nothing():
    rng = np.random.default_rng(0)
    rewards, flops = rng.normal(80, 5, 50).tolist(), rng.uniform(1e6, 1e9, 50)
    orders = {tuple(finalists(rewards, np.log(flops / unit).tolist())) for unit in (1, 1e6)}
    assert len(orders) == 1
    assert sorted(*orders) == list(range(50))


@pytest.mark.parametrize(
    ("file", "reward", "judge", "rows"),
    [
        ("nasbench201", "c10_test_e12", "c10_test_e200", 100),
        ("nasbench201", "c10_test_e12", "c10_test_e200", 300),
        ("nasbench_macro", "test_acc_run1", "test_acc_run23", 300),
        ("ecnas_4v", "val_acc_e12_run1", "val_acc_e108_run2", 40),
    ],
)
def test_the_ten_chosen_are_better_than_the_ten_of_highest_reward(
    shared_data, file, reward, judge, rows
):
    table = Table(shared_data / "nas" / f"{file}.npz")
    rewards, judges = table.column(reward), table.column(judge)
    rng, gains = np.random.default_rng(0), []
    for _ in range(100):
        drawn = rng.permutation(len(rewards))[:rows]
        chosen = drawn[finalists(rewards[drawn].tolist(), table.log_sizes[drawn].tolist())[:10]]
        best = drawn[np.argsort(-rewards[drawn])[:10]]
        gains.append(judges[chosen].mean() - judges[best].mean())
    assert np.mean(gains) > 2 * np.std(gains) / np.sqrt(len(gains))
