"""How well scenes are understood: intersection over union of pixels, average precision of boxes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def mean_iou(answers: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Of each class the intersection over union on all images; their mean, in percent."""
    shares = []
    for number in np.unique(truth):
        answered, there = answers == number, truth == number
        shares.append((answered & there).sum() / (answered | there).sum())
    return 100 * float(np.mean(shares))


def average_precision(told: Sequence[Array], boxes: Sequence[Array], overlap: float = 0.5) -> float:
    """Area under precision by recall, over all points, mean of the classes, in percent.

    Of each image `told` has rows (class, probability, left, top, right, bottom) and `boxes` rows (class,
    left, top, right, bottom). A told box is right where it overlaps one of its class that no more
    probable one has taken.
    """
    areas = []
    for kind in np.unique(np.concatenate(boxes)[:, 0]):
        truth = [found[found[:, 0] == kind, 1:] for found in boxes]
        taken = [np.zeros(len(one), bool) for one in truth]
        answers = [(row[1], i, row[2:]) for i, rows in enumerate(told) for row in rows if row[0] == kind]
        right = []
        for _, image, box in sorted(answers, key=lambda answer: -answer[0]):
            shares = np.array([iou(box, other) for other in truth[image]] or [0.0])
            best = int(shares.argmax())
            right.append(shares[best] >= overlap and not taken[image][best])
            if right[-1]:
                taken[image][best] = True
        hits = np.array(right, bool)
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
        areas.append(best_from_here[hits].sum() / sum(map(len, truth)))
    return 100 * float(np.mean(areas))


def iou(one: Array, other: Array) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if (sides <= 0).any():
        return 0.0
    both = float(sides.prod())
    return both / (float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - both)
