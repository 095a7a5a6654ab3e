"""The recipes of a final training: the published one, and what any of them must be."""

import pytest
import torch

from blockqnn.config import RECIPES, Recipe
from blockqnn.evaluation import train
from blockqnn.evaluation.device import resolve_precision
from blockqnn.evaluation.length import total_steps
from blockqnn.evaluation.train import fit
from blockqnn.network.model import build
from stripes import parts, planned


def test_the_published_recipe():
    # section 4.2: SGD, momentum 0.9, weight decay 5e-4, batches of 128, 300 epochs, a rate of 0.1 that
    # is reduced at epochs 150 and 225; images cropped and flipped; nothing else is mentioned
    recipe = RECIPES["paper-cifar"]
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov) == ("sgd", 0.9, False)
    assert (recipe.learning_rate, recipe.weight_decay) == (0.1, 5e-4)
    assert (recipe.epochs, recipe.steps, recipe.batch) == (300, None, 128)
    assert (recipe.schedule, recipe.warmup) == ("drops", 0)
    assert [300 * share for share in recipe.drops] == [150, 225]
    assert recipe.drop_factor == 0.1
    assert vars(recipe.augmentation) == {
        "shift": 0.125,
        "zoom": 0.0,
        "flip": True,
        "erase": 0.0,
        "color": 0.0,
        "crop": 0.0,
    }
    assert 32 * recipe.augmentation.shift == 4
    assert (recipe.label_smoothing, recipe.average, recipe.class_weights) == (0, 0, False)
    assert recipe.precision == "float32"
    assert total_steps(recipe, 50_000) == 300 * 391


def test_the_published_recipe_of_imagenet():
    # section 4.2: 90 epochs, SGD, momentum 0.9, weight decay 1e-4, batches of 256, a rate of 0.1 that is
    # divided by 10 at epochs 30 and 60; random crops and flips
    recipe = RECIPES["paper-imagenet"]
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov) == ("sgd", 0.9, False)
    assert (recipe.learning_rate, recipe.weight_decay) == (0.1, 1e-4)
    assert (recipe.epochs, recipe.steps, recipe.batch) == (90, None, 256)
    assert (recipe.schedule, recipe.warmup, recipe.drop_factor) == ("drops", 0, 0.1)
    assert [90 * share for share in recipe.drops] == pytest.approx([30, 60])
    assert {name: value for name, value in vars(recipe.augmentation).items() if value} == {
        "crop": 0.08,
        "flip": True,
    }
    assert (recipe.label_smoothing, recipe.average, recipe.class_weights) == (0, 0, False)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains(name):
    recipe = RECIPES[name].model_copy(update={"epochs": 4, "batch": 16})
    if recipe.augmentation.crop:  # of images as they are stored: test_streamed.py
        still = recipe.augmentation.model_copy(update={"crop": 0.0})
        recipe = recipe.model_copy(update={"augmentation": still})
    fitted = fit(build(planned(), 0), parts()[0], recipe, learning_rate=0.01, seed=0)
    assert fitted.steps == 12
    assert 0 < fitted.loss < 2


@pytest.mark.parametrize("able", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
def test_the_precision_is_what_the_network_computes_in(monkeypatch, precision, able):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    expected = {"auto": "bfloat16" if able else "float32"}.get(precision, precision)
    assert resolve_precision(precision, "cpu") == expected
    network, seen = build(planned(), 0), []
    network.head.register_forward_hook(lambda _m, _i, logits: seen.append(logits.dtype))
    recipe = Recipe(steps=2, batch=16, precision=precision)
    fit(network, parts()[0], recipe, learning_rate=0.01, seed=0)
    assert seen == [getattr(torch, expected)] * 2
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    seen.clear()
    train.score(network, parts()[1], "accuracy")
    assert seen == [torch.float32]  # measured in full precision
