"""What a trained model says of itself: config.json and metrics.json."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset
from blockqnn.network.plan import Image, NetworkPlan, Skeleton
from blockqnn.space.code import Block
from blockqnn.version import VERSION


def config_of(
    block: Block, skeleton: Skeleton, dataset: Dataset, resize: str, recipe: Recipe
) -> dict[str, Any]:
    """What the model is made of and how its images are prepared: config.json."""
    scale = dataset.mean.tolist(), dataset.deviation.tolist()
    made = made_of(block, skeleton, dataset.image, dataset.classes, scale, resize, dataset.name)
    return {**made, "recipe": recipe.model_dump(mode="json")}


def made_of(
    block: Block,
    skeleton: Skeleton,
    image: Image,
    classes: Sequence[str],
    scale: tuple[Sequence[float], Sequence[float]],
    resize: str,
    data: str,
) -> dict[str, Any]:
    """All of config.json that a network needs; `scale` is mean and deviation a channel, in 0..1."""
    return {
        "blockqnn": VERSION,
        "code": str(block),
        "skeleton": {
            "stem": list(skeleton.stem),
            "widths": list(skeleton.widths),
            "repeats": list(skeleton.repeats),
        },
        "image": list(image),
        "classes": list(classes),
        "preprocessing": {
            "size": [image.height, image.width],
            "resize": resize,
            "scale": "0..1",
            "mean": list(scale[0]),
            "deviation": list(scale[1]),
        },
        "data": data,
    }


def untested(
    plan: NetworkPlan,
    metric: str,
    validation_accuracy: float | None,
    history: Sequence[tuple[float, float, float | None]],
    seconds: float,
) -> dict[str, Any]:
    """metrics.json of a model for which the test part was not read."""
    return {
        "metric": metric,
        "test_accuracy": None,
        "validation_accuracy": validation_accuracy,
        "params": plan.params,
        "flops": plan.flops,
        "seconds": round(seconds, 3),
        "history": _points(history),
    }


def tested(
    plan: NetworkPlan,
    metric: str,
    history: Sequence[tuple[float, float, float | None]],
    length: tuple[float, int],
    validation_accuracies: Sequence[float | None],
    readings: Sequence[Mapping[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """metrics.json of a model: its own numbers, and the readings of all seeds, the first one being it.

    `length` are its epochs and steps; `readings` are as `read_test` gives them.
    """
    accuracies = [reading["test_accuracy"] for reading in readings]
    return {
        **untested(plan, metric, validation_accuracies[0], history, seconds),
        "epochs": round(length[0], 3),
        "steps": length[1],
        **readings[0],
        "test_accuracy_mean": fmean(accuracies),
        "test_accuracy_deviation": stdev(accuracies) if len(accuracies) > 1 else None,
        "test_readings": [
            {"seed": seed, "test_accuracy": accuracy, "validation_accuracy": validation}
            for seed, (accuracy, validation) in enumerate(
                zip(accuracies, validation_accuracies, strict=True)
            )
        ],
    }


def _points(history: Sequence[tuple[float, float, float | None]]) -> list[dict[str, float | None]]:
    return [{"epoch": epoch, "loss": loss, "validation": value} for epoch, loss, value in history]
