"""A real search on a CIFAR-100 subset that two cores manage; resumes where it was stopped.

    python benchmarks/cifar100_search.py cifar100-5000.npz results/cifar100-search 12
    python benchmarks/cifar100_search.py cifar100-5000.npz results/cifar100-search-8 8

The data: 5,000 training and 1,000 test images, the first of each class in official order. Widths
8/16/32, 12 epochs with batches of 64 (the paper: 32/64/128, 23 layers, 50,000 images, batches of
256). The last argument is the number of layers: 12 within 40 MFLOPs, or 8 within 10.
"""

import sys
from pathlib import Path

import blockqnn
from blockqnn.network.plan import SKELETONS

SIZES = {"12": (40_000_000, 96), "8": (10_000_000, 72)}  # layers: (FLOPs at most, trials)


def main() -> None:
    data, directory, layers = sys.argv[1:4]
    max_flops, trials = SIZES[layers]
    settings = {
        "skeleton": SKELETONS["cifar"].with_widths((8, 16, 32)),
        "space": {"max_layers": int(layers), "max_flops": max_flops},
        "recipe": {"batch": 64},
        "plan": {"trials": trials},
        "reward": {"mu": 1.0, "rho": 8.0},  # the default when these searches were made
    }
    blockqnn.search(data, run=Path(directory), preset="standard", settings=settings, live=True)


if __name__ == "__main__":
    main()
