"""The pictures beside a trained model: how training went, and what is taken for what."""

from collections.abc import Mapping, Sequence
from typing import Any

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.matrix import confusion_picture


def drawn(metrics: Mapping[str, Any], classes: Sequence[str]) -> dict[str, str]:
    """SVG texts by file name, of what metrics.json tells."""
    history = metrics["history"]
    measured = [(p["epoch"], p["validation"]) for p in history if p["validation"] is not None]
    if measured:
        series = [Series("validation", tuple(measured))]
        curves = curves_picture(series, f"validation {metrics['metric']} (%)", "epoch")
    else:
        series = [Series("training", tuple((p["epoch"], p["loss"]) for p in history))]
        curves = curves_picture(series, "loss of the training images", "epoch")
    return {"curves.svg": curves, "confusion.svg": confusion_picture(metrics["confusion"], classes)}
