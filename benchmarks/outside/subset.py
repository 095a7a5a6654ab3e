"""The 5,000 training images of CIFAR-10 that all contenders learn from.

    python benchmarks/outside/subset.py CIFAR10.npz cifar10-5000.npz

CIFAR10.npz holds x_train, y_train, x_test, y_test and classes. 500 training images of each class are
drawn with seed 0 and kept in their order; the test part stays whole.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PER_CLASS = 500


def drawn(labels: NDArray[np.int64], per_class: int, seed: int) -> NDArray[np.int64]:
    """Places of `per_class` images of each class, in rising order."""
    rng = np.random.default_rng(seed)
    chosen = [
        rng.choice(np.flatnonzero(labels == label), per_class, replace=False)
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(chosen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    with np.load(arguments.source) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test", "classes")}
    places = drawn(arrays["y_train"], PER_CLASS, seed=0)
    for name in ("x_train", "y_train"):
        arrays[name] = arrays[name][places]
    np.savez(arguments.out, **arrays)
    print(f"{len(places)} training and {len(arrays['y_test'])} test images in {arguments.out}")


if __name__ == "__main__":
    main()
