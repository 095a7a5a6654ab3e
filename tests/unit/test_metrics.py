"""Measures from tables of confusions, worked out by hand."""

import pytest
import torch

from blockqnn.evaluation import metrics


@pytest.mark.parametrize(
    ("table", "accuracy", "balanced", "f1"),
    [
        ([[5, 0], [0, 5]], 100, 100, 100),
        # recalls 1 and 0; F1 of class 0 is 2*9/(9+10), of class 1 zero
        ([[9, 0], [1, 0]], 90, 50, 100 * (18 / 19) / 2),
        # recalls 3/4, 1/2; F1 6/9... 2*3/(4+4), 2*1/(2+2)
        ([[3, 1], [1, 1]], 100 * 4 / 6, 62.5, 100 * (6 / 8 + 2 / 4) / 2),
        # class 2 is absent but answered once: no recall, F1 zero
        ([[3, 0, 1], [0, 4, 0], [0, 0, 0]], 87.5, 87.5, 100 * (6 / 7 + 1 + 0) / 3),
        # class 2 is absent and never answered: left out
        ([[3, 1, 0], [0, 4, 0], [0, 0, 0]], 87.5, 87.5, 100 * (6 / 7 + 8 / 9) / 2),
    ],
)
def test_measures_by_hand(table, accuracy, balanced, f1):
    for metric, value in (("accuracy", accuracy), ("balanced-accuracy", balanced), ("macro-f1", f1)):
        assert metrics.measured(torch.tensor(table), metric) == pytest.approx(value, abs=1e-12)


def test_a_table_is_counted_in_batches():
    table = metrics.no_confusions(3, torch.device("cpu"))
    metrics.count(table, torch.tensor([0, 0, 2]), torch.tensor([0, 1, 2]))
    metrics.count(table, torch.tensor([0, 1]), torch.tensor([1, 0]))
    assert table.tolist() == [[1, 2, 0], [1, 0, 0], [0, 0, 1]]
