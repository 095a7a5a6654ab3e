"""Measures from tables of confusions, worked out by hand."""

import json
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_fscore_support,
)

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


# Against scikit-learn


def random_answers(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels and answers of 2 to 7 classes, some of which are absent, some never answered."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 8))
    present, answered = (rng.permutation(classes)[: rng.integers(1, classes + 1)] for _ in range(2))
    labels = rng.choice(present, 60)
    right = rng.random(60) < 0.6
    return labels, np.where(right, labels, rng.choice(answered, 60)), classes


@pytest.mark.parametrize("seed", range(40))
def test_measures_agree_with_scikit_learn(seed):
    labels, answers, classes = random_answers(seed)
    table = metrics.no_confusions(classes, torch.device("cpu"))
    metrics.count(table, torch.from_numpy(labels), torch.from_numpy(answers))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of answers that are no label
        expected = {
            "accuracy": accuracy_score(labels, answers),
            "balanced-accuracy": balanced_accuracy_score(labels, answers),
            "macro-f1": f1_score(labels, answers, average="macro"),
        }
        precision, recall, f1, support = precision_recall_fscore_support(
            labels, answers, labels=range(classes), zero_division=np.nan
        )
    for metric, value in expected.items():
        assert metrics.measured(table, metric) == pytest.approx(100 * value)
    found = metrics.details(table)
    assert found["images"] == 60
    for c, entry in enumerate(found["per_class"]):
        assert entry["images"] == support[c]
        for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
            undefined = np.isnan(values[c])
            assert entry[name] == (None if undefined else pytest.approx(100 * values[c]))


# Details


def test_details_by_hand():
    # class 2 is absent but answered once; class 3 is neither
    table = torch.tensor([[3, 0, 1, 0], [2, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    found = metrics.details(table)
    assert found["per_class"] == [
        {"images": 4, "recall": 75.0, "precision": 60.0, "f1": pytest.approx(100 * 6 / 9)},
        {"images": 6, "recall": pytest.approx(200 / 3), "precision": 100.0, "f1": 80.0},
        {"images": 0, "recall": None, "precision": 0.0, "f1": 0.0},
        {"images": 0, "recall": None, "precision": None, "f1": None},
    ]
    assert found["confusion"] == table.tolist()
    assert (found["images"], found["accuracy"]) == (10, 70.0)
    assert found["balanced_accuracy"] == pytest.approx((75 + 200 / 3) / 2)
    assert found["macro_f1"] == pytest.approx((200 / 3 + 80 + 0) / 3)
    assert found["interval"] == list(metrics.interval(7, 10))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_class_that_is_never_answered_has_no_precision():
    entry = metrics.details(torch.tensor([[5, 0], [5, 0]]))["per_class"][1]
    assert entry == {"images": 5, "recall": 0.0, "precision": None, "f1": 0.0}


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        # the score method without continuity correction in Newcombe, Statistics in Medicine 17, 1998
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.00, 16.11),
        (1, 29, 0.61, 17.18),
        # and by symmetry
        (182, 263, 63.38, 74.47),
        (20, 20, 83.89, 100.00),
    ],
)
def test_wilsons_interval_as_published(right, count, low, high):
    assert metrics.interval(right, count) == pytest.approx((low, high), abs=0.006)


def test_an_interval_narrows_with_the_images_and_stays_within_bounds():
    for share in (0, 0.5, 0.9, 1):
        widths = []
        for count in (10, 100, 1000, 10_000):
            low, high = metrics.interval(round(share * count), count)
            assert 0 <= low <= 100 * share <= high <= 100
            widths.append(high - low)
        assert widths == sorted(widths, reverse=True)
