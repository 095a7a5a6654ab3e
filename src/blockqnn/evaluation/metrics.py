"""Measures of a classifier, in percent, from its table of confusions."""

import math
from typing import Any

import torch
from torch import Tensor


def no_confusions(classes: int, device: torch.device) -> Tensor:
    """An empty table: how often each class [row] was answered by each [column], int64."""
    return torch.zeros(classes, classes, dtype=torch.long, device=device)


def count(table: Tensor, labels: Tensor, answers: Tensor) -> None:
    """Adds labels [B] and answers [B] to the table, on its device, without waiting for it."""
    cells = labels * len(table) + answers
    table.view(-1).index_add_(0, cells, torch.ones_like(cells))


def measured(table: Tensor, metric: str) -> float:
    """`accuracy`: share of right answers. `balanced-accuracy`: mean recall of the classes present.

    `macro-f1`: mean F1 of the classes that are present or were answered.
    """
    counts = table.cpu().double()
    right, present, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    if metric == "accuracy":
        return 100.0 * float(right.sum()) / float(counts.sum())
    if metric == "balanced-accuracy":
        there = present > 0
        return 100.0 * float((right[there] / present[there]).mean())
    if metric == "macro-f1":
        both = present + answered
        there = both > 0
        return 100.0 * float((2 * right[there] / both[there]).mean())
    raise ValueError(metric)


def details(table: Tensor) -> dict[str, Any]:
    """The table and all that is read from it, as JSON; percents, None where undefined.

    `interval` is Wilson's of 95 % for the accuracy: what other images of the same kind may give.
    """
    counts = table.cpu().double()
    right, present, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    return {
        "images": int(counts.sum()),
        "accuracy": measured(table, "accuracy"),
        "interval": list(interval(int(right.sum()), int(counts.sum()))),
        "balanced_accuracy": measured(table, "balanced-accuracy"),
        "macro_f1": measured(table, "macro-f1"),
        "per_class": [
            {
                "images": int(present[c]),
                "recall": _percent(right[c], present[c]),
                "precision": _percent(right[c], answered[c]),
                "f1": _percent(2 * right[c], present[c] + answered[c]),
            }
            for c in range(len(counts))
        ],
        "confusion": table.tolist(),
    }


def interval(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, in percent (Wilson 1927; z = 1.96 for 95 %)."""
    share, square = right / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    reach = z * math.sqrt((share * (1 - share) + square / 4) / count) / (1 + square)
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    return 100 * min(low, share), 100 * max(high, share)  # rounding must not leave the share out


def _percent(part: Tensor, whole: Tensor) -> float | None:
    return 100.0 * float(part / whole) if whole else None
