"""What a user should know of the data before trusting an accuracy: one line each."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blockqnn.data.duplicates import Pair
from blockqnn.data.source import PARTS, TEST, VALIDATION, Labels

_FEW_TO_VALIDATE = 200
_FEW_OF_A_CLASS = 10
_UNBALANCED = 10
_SHRUNK = 8


def of_validation(images: int) -> list[str]:
    """A small validation part measures coarsely."""
    if images >= _FEW_TO_VALIDATE:
        return []
    return [
        f"the validation part has {images} images: an accuracy measured on it has a standard error of"
        f" up to {50 / math.sqrt(images):.1f} points"
    ]


def of_classes(classes: Sequence[str], labels: Labels) -> list[str]:
    """Rare classes, and unequal ones; `labels` are those of all parts."""
    counts = np.bincount(labels, minlength=len(classes))
    lines = []
    if rare := [name for name, count in zip(classes, counts, strict=True) if count < _FEW_OF_A_CLASS]:
        shown = ", ".join(rare[:5]) + (f" and {len(rare) - 5} more" if len(rare) > 5 else "")
        lines.append(f"classes with fewer than {_FEW_OF_A_CLASS} images: {shown}")
    most, fewest = int(counts.argmax()), int(counts.argmin())
    if counts[most] >= _UNBALANCED * counts[fewest]:
        lines.append(
            f"class {classes[most]} has {counts[most]} images, {classes[fewest]} {counts[fewest]}:"
            " accuracy hides what happens to small classes;"
            " recipe.metric=balanced-accuracy shows it"
        )
    return lines


def of_sizes(shrunk: NDArray[np.float64], size: tuple[int, int]) -> list[str]:
    """Images whose short side was divided by more than 8; `shrunk` holds each image's factor."""
    if not (count := int((shrunk > _SHRUNK).sum())):
        return []
    return [
        f"{count} images were shrunk more than {_SHRUNK} times, to {size[0]}x{size[1]} pixels:"
        " --image-size keeps more of them"
    ]


def of_leaks(pairs: Sequence[Pair], sizes: Sequence[int], names: Sequence[str]) -> list[str]:
    """Held-out images that nearly lie in the training part; `names` are of one pair's images."""
    if not pairs:
        return []
    ends = np.cumsum(sizes)
    of_part = np.searchsorted(ends, [pair.held for pair in pairs], side="right")
    counts = " and ".join(
        f"{int((of_part == part).sum())} of {sizes[part]} {PARTS[part]} images"
        for part in (VALIDATION, TEST)
        if (of_part == part).any()
    )
    return [
        f"{counts} have a near-duplicate in the training part, for example {names[0]} of {names[1]}:"
        " accuracies come out too high; a group column in --labels FILE.csv keeps such images together"
    ]
