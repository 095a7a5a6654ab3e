"""Drawing a part: shares of each class, groups kept whole. The images come in canonical order."""

import warnings

import numpy as np
from numpy.typing import NDArray

from blockqnn.data.source import Labels
from blockqnn.errors import InputError

Mask = NDArray[np.bool_]


def by_class(labels: Labels, share: float, seed: int, classes: tuple[str, ...], what: str) -> Mask:
    """Which images are drawn: about `share` of each class, at least one, never all."""
    rng = np.random.default_rng(seed)
    taken = np.zeros(len(labels), bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            images = "1 image" if len(members) == 1 else "no image"
            raise InputError(f"class {name!r} has {images} to train on: too few for a {what}")
        count = min(max(1, round(share * len(members))), len(members) - 1)
        taken[rng.permutation(members)[:count]] = True
    return taken


def by_group(
    labels: Labels,
    groups: NDArray[np.int64],
    share: float,
    seed: int,
    classes: tuple[str, ...],
    what: str,
) -> Mask:
    """Which images are drawn: whole groups, about `share` of each class.

    Of the folds that scikit-learn draws, the first that leaves each class images to train on and,
    if one does, that also holds images of each class.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = len(np.unique(groups))
    if count < 2:
        raise InputError(f"the training part is one group: too few for a {what}")
    random = np.random.RandomState(np.random.MT19937(seed))
    folds = StratifiedGroupKFold(min(count, max(2, round(1 / share))), shuffle=True, random_state=random)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer images than folds
        try:
            drawn = [taken for _, taken in folds.split(labels, labels, groups)]
        except ValueError:  # every class has fewer images than there are folds
            raise InputError(f"too few images of each class for a {what} of whole groups") from None
    best, fewest = None, len(classes) + 1
    for indices in drawn:
        taken = np.zeros(len(labels), bool)
        taken[indices] = True
        lacking = len(classes) - len(np.unique(labels[taken]))
        if len(np.unique(labels[~taken])) == len(classes) and taken.any() and lacking < fewest:
            best, fewest = taken, lacking
    if best is None:
        raise InputError(
            f"groups leave a class without training images when a {what} is drawn;"
            f" each class needs 2 groups ({_poorest(labels, groups, classes)})"
        )
    return best


def _poorest(labels: Labels, groups: NDArray[np.int64], classes: tuple[str, ...]) -> str:
    counts = [len(np.unique(groups[labels == label])) for label in range(len(classes))]
    fewest = int(np.argmin(counts))
    return f"class {classes[fewest]!r} has {counts[fewest]}"
