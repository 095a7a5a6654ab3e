"""What a trained model says of itself: config.json and metrics.json."""

from collections.abc import Sequence
from typing import Any

from blockqnn.config import Recipe
from blockqnn.data.dataset import Dataset
from blockqnn.network.plan import NetworkPlan, Skeleton
from blockqnn.space.code import Block
from blockqnn.version import VERSION


def config_of(
    block: Block, skeleton: Skeleton, dataset: Dataset, resize: str, recipe: Recipe
) -> dict[str, Any]:
    """What the model is made of and how its images are prepared: config.json."""
    return {
        "blockqnn": VERSION,
        "code": str(block),
        "skeleton": {
            "stem": list(skeleton.stem),
            "widths": list(skeleton.widths),
            "repeats": list(skeleton.repeats),
        },
        "image": list(dataset.image),
        "classes": list(dataset.classes),
        "preprocessing": {
            "size": list(dataset.image_size),
            "resize": resize,
            "scale": "0..1",
            "mean": dataset.mean.tolist(),
            "deviation": dataset.deviation.tolist(),
        },
        "data": dataset.name,
        "recipe": recipe.model_dump(mode="json"),
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
        "history": [{"epoch": e, "loss": loss, "validation": v} for e, loss, v in history],
    }
