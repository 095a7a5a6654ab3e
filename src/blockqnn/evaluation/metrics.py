"""Measures of a classifier, in percent, from its table of confusions."""

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
