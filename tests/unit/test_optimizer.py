"""The optimizers' arguments, and the learning rate over a training."""

import pytest
import torch
from torch import nn

from blockqnn.config import RECIPES, Recipe
from blockqnn.evaluation.optimizer import learning_rate_at, optimizer_of

COSINE, LINEAR = Recipe(schedule="cosine"), Recipe(schedule="linear")


def rates(recipe: Recipe, base: float, steps: int) -> list[float]:
    return [learning_rate_at(step / steps, recipe, base) for step in range(steps)]


@pytest.mark.parametrize(
    ("recipe", "progress", "rate"),
    [
        (COSINE, 0.0, 0.4),
        (COSINE, 1 / 3, 0.3),  # (1 + cos 60°) / 2
        (COSINE, 0.5, 0.2),
        (COSINE, 2 / 3, 0.1),
        (COSINE, 1.0, 0.0),
        (LINEAR, 0.0, 0.4),
        (LINEAR, 0.25, 0.3),
        (LINEAR, 0.5, 0.2),
        (LINEAR, 1.0, 0.0),
    ],
)
def test_the_rate_falls_to_zero(recipe, progress, rate):
    assert learning_rate_at(progress, recipe, 0.4) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize("recipe", [COSINE, LINEAR])
def test_the_last_of_many_steps_is_taken_at_a_rate_near_zero(recipe):
    seen = rates(recipe.model_copy(update={"warmup": 0.05}), 0.4, 1000)
    assert 0 < seen[-1] < 0.4 * 2e-3
    assert max(seen) == pytest.approx(0.4, rel=1e-3)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "drops"])
@pytest.mark.parametrize("warmup", [0.0001, 0.0005, 0.05, 0.3])
def test_the_rate_rises_in_a_straight_line_and_never_above_its_highest(schedule, warmup):
    recipe = Recipe(schedule=schedule, warmup=warmup, drops=(0.5, 0.75))
    for share in (0.1, 0.25, 0.5, 0.9):
        assert learning_rate_at(share * warmup, recipe, 0.4) == pytest.approx(share * 0.4)
    assert learning_rate_at(warmup, recipe, 0.4) == pytest.approx(0.4)
    seen = rates(recipe, 0.4, 20_000)
    assert seen[0] > 0  # the first step is not for nothing
    assert max(seen) <= 0.4
    rising = [seen[i] <= seen[i + 1] for i in range(int(20_000 * warmup) - 1)]
    falling = [seen[i] >= seen[i + 1] for i in range(int(20_000 * warmup) + 1, 19_999)]
    assert all(rising)
    assert all(falling)


@pytest.mark.parametrize(
    ("epoch", "rate"), [(1, 0.1), (150, 0.1), (151, 0.01), (225, 0.01), (226, 0.001)]
)
def test_the_papers_final_training_drops_after_150_and_225_of_300_epochs(epoch, rate):
    recipe, per_epoch = RECIPES["paper-cifar"], 391
    for step in ((epoch - 1) * per_epoch, epoch * per_epoch - 1):  # its first and last batch
        found = learning_rate_at(step / (300 * per_epoch), recipe, recipe.learning_rate)
        assert found == pytest.approx(rate)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.8, False), (0.0, True)])
def test_sgd(momentum, nesterov):
    recipe = Recipe(optimizer="sgd", momentum=momentum, nesterov=nesterov, weight_decay=5e-4)
    optimizer = optimizer_of(nn.Linear(2, 2), recipe)
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert len(group["params"]) == 2  # of all parameters, so decay is of all too
    assert (group["momentum"], group["weight_decay"]) == (momentum, 5e-4)
    assert group["nesterov"] == (nesterov and momentum > 0)  # torch refuses it without momentum


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_adam_and_adamw(name, kind):
    optimizer = optimizer_of(nn.Linear(2, 2), Recipe(optimizer=name, weight_decay=0.01))
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.01)
    assert not group["amsgrad"]


@pytest.mark.parametrize(
    ("recipe", "moved"),
    [
        # a gradient of 2 and a decay of 0.1 of the weight 3, at a rate of 0.5
        (Recipe(optimizer="sgd", weight_decay=0.1), 0.5 * (2 + 0.3)),
        (Recipe(optimizer="sgd", nesterov=True, weight_decay=0.1), 0.5 * 1.9 * (2 + 0.3)),
        (Recipe(optimizer="adam", weight_decay=0.1), 0.5),
        (Recipe(optimizer="adamw", weight_decay=0.1), 0.5 + 0.5 * 0.1 * 3),
    ],
)
def test_a_first_step_by_hand(recipe, moved):
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(3.0)
    optimizer = optimizer_of(network, recipe)
    optimizer.param_groups[0]["lr"] = 0.5
    (2 * network.weight).sum().backward()
    optimizer.step()
    assert network.weight.item() == pytest.approx(3 - moved, rel=1e-5)
