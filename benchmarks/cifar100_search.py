"""A real search on a CIFAR-100 subset that two cores manage; resumes where it was stopped.

    python benchmarks/cifar100_search.py cifar100-5000.npz results/cifar100-search

DATA.npz: 5,000 training and 1,000 test images, the first of each class in official order. Widths
8/16/32, at most 12 layers and 40 MFLOPs, 12 epochs with batches of 64 (the paper: 32/64/128, 23
layers, 50,000 images, batches of 256).
"""

import sys
from pathlib import Path

import blockqnn
from blockqnn.network.plan import SKELETONS

SETTINGS = {
    "skeleton": SKELETONS["cifar"].with_widths((8, 16, 32)),
    "space": {"max_layers": 12, "max_flops": 40_000_000},
    "recipe": {"batch": 64},
    "plan": {"trials": 96},
}


def main() -> None:
    data, directory = map(Path, sys.argv[1:3])
    blockqnn.search(data, run=directory, preset="standard", settings=SETTINGS, live=True)


if __name__ == "__main__":
    main()
