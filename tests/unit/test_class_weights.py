"""Rare classes that weigh more: the formula, and that it helps them."""

import numpy as np
import pytest
import torch
from torch import nn

from blockqnn.config import Recipe
from blockqnn.data.dataset import Part
from blockqnn.evaluation import metrics
from blockqnn.evaluation.images import DevicePart, class_weights
from blockqnn.evaluation.train import confusions, fit
from blockqnn.network.model import build
from stripes import planned

RARE = 1
UNSCALED = torch.full((1, 1, 1, 1), 128.0), torch.full((1, 1, 1, 1), 40.0)


def part(common: int, rare: int, seed: int) -> DevicePart:
    """Dark and bright images whose grey levels overlap; the rare class is the bright one."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, RARE], [common, rare]))
    grey = rng.normal(np.where(labels == RARE, 145, 115), 30)
    pixels = np.repeat(grey, 36).reshape(-1, 6, 6, 1) + rng.normal(0, 5, (len(labels), 6, 6, 1))
    images = Part(pixels.clip(0, 255).astype(np.uint8), labels)
    return DevicePart(torch.from_numpy(images.images), torch.from_numpy(images.labels), *UNSCALED)


@pytest.mark.parametrize(
    ("labels", "weights"),
    [
        ([0, 1, 0, 1], [1, 1]),
        ([0, 0, 0, 1], [4 / (2 * 3), 4 / (2 * 1)]),
        ([2, 0, 2, 1, 2, 2], [6 / (3 * 1), 6 / (3 * 1), 6 / (3 * 4)]),
        ([0] * 900 + [1] * 90 + [2] * 10, [1000 / 2700, 1000 / 270, 1000 / 30]),
    ],
)
def test_the_formula(labels, weights):
    images = torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8)
    found = class_weights(DevicePart(images, torch.tensor(labels), *UNSCALED))
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx(weights)
    # the images' mean weight is 1, so the learning rate keeps its meaning
    assert found[torch.tensor(labels)].mean().item() == pytest.approx(1)


def test_fit_weighs_the_loss_by_class(monkeypatch):
    seen = []

    class Spy(nn.CrossEntropyLoss):
        def __init__(self, **options: object) -> None:
            seen.append(options)
            super().__init__(**options)

    monkeypatch.setattr(nn, "CrossEntropyLoss", Spy)
    training = part(30, 10, 0)
    for on in (False, True):
        recipe = Recipe(steps=1, batch=16, class_weights=on, label_smoothing=0.1)
        fit(build(planned(), 0), training, recipe, learning_rate=0.01, seed=0)
    assert seen[0] == {"weight": None, "label_smoothing": 0.1, "reduction": "mean"}
    assert seen[1]["weight"].tolist() == pytest.approx([40 / 60, 40 / 20])


def test_a_rare_class_is_found_more_often():
    training, fresh = part(475, 25, 0), part(500, 500, 1)
    recalls, balanced = {}, {}
    for on in (False, True):
        recipe = Recipe(steps=60, batch=50, class_weights=on, learning_rate=0.01)
        network = build(planned(), 0)
        fit(network, training, recipe, learning_rate=0.01, seed=0)
        table = confusions(network, fresh)
        assert table is not None
        recalls[on] = metrics.details(table)["per_class"][RARE]["recall"]
        balanced[on] = metrics.measured(table, "balanced-accuracy")
    assert recalls[True] > recalls[False] + 20
    assert balanced[True] > balanced[False] + 5
