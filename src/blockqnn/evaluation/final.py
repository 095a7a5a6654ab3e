"""Training a chosen network and testing it: the only place that reads the test part."""

import math
import time
from dataclasses import dataclass

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset
from blockqnn.evaluation.device import use_one_thread
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.evaluation.train import on_device, score
from blockqnn.network.model import Network
from blockqnn.network.plan import NetworkPlan
from blockqnn.records import Failure


@dataclass(frozen=True, eq=False)
class Tested:
    """A trained network; accuracies in percent, measured by the recipe's metric."""

    network: Network
    seed: int
    validation_accuracy: float
    test_accuracy: float  # read once, after the last step
    seconds: float


def train_and_test(
    plan: NetworkPlan, dataset: Dataset, recipe: Recipe, *, seed: int, device: str
) -> Tested | Failure:
    """Trains by the early-stop recipe, then reads the test part once; nothing is chosen by it."""
    begin = time.monotonic()
    if device == "cpu":
        use_one_thread()
    trained = train_with_restarts(
        plan,
        on_device(dataset.train, dataset, device),
        on_device(dataset.validation, dataset, device),
        recipe,
        chance=dataset.chance(recipe.metric),
        seed=seed,
    )
    if isinstance(trained, Failure):
        return trained
    test_accuracy = score(trained.network, on_device(dataset.test, dataset, device), recipe.metric)
    if not math.isfinite(test_accuracy):
        return Failure(kind="non_finite", detail="logits of test images")
    seconds = time.monotonic() - begin
    return Tested(trained.network, seed, trained.accuracy, test_accuracy, seconds)
