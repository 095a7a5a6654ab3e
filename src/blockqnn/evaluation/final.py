"""Training a chosen network and testing it: the only place that reads the test part."""

import time
from dataclasses import dataclass
from typing import Any

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset
from blockqnn.evaluation import metrics
from blockqnn.evaluation.device import use_one_thread
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.evaluation.train import confusions, on_device
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
    read = read_test(trained.network, dataset, recipe.metric, device)
    if read is None:
        return Failure(kind="non_finite", detail="logits of test images")
    seconds = time.monotonic() - begin
    return Tested(trained.network, seed, trained.accuracy, read["test_accuracy"], seconds)


def read_test(network: Network, dataset: Dataset, metric: str, device: str) -> dict[str, Any] | None:
    """Reads the test part: what of metrics.json tells of it; None when a logit is not finite.

    To be called once for a model, after its last step: nothing may be chosen by it.
    """
    table = confusions(network, on_device(dataset.test, dataset, device))
    if table is None:
        return None
    found = metrics.details(table)
    for name, entry in zip(dataset.classes, found["per_class"], strict=True):
        entry["class"] = name
    return {
        "test_accuracy": metrics.measured(table, metric),
        "test_images": found.pop("images"),
        "test_interval": found.pop("interval"),
        **{key: value for key, value in found.items() if key != "accuracy"},
    }
