"""Less work for the same answer: do cheaper trainings rank blocks as the full early-stop training does?

    PYTHONPATH=src python benchmarks/less_work.py cifar10-5000.npz [--blocks 60] [--part 1/2] [--table]

The first random blocks of a seeded draw (distinct keys, 3 to 23 layers, at most Block-QNN-S's FLOPs
and 1.5 million activations an image) are each trained by the preset `standard` in bfloat16, with two
seeds, and once by each variant; validation accuracy counts. Each finished row goes to
results/less-work.jsonl, with the accuracy after each twelfth of the training, so that rules which stop
early can be replayed; the same command goes on. A failure counts as accuracy 0. The table gives for
each variant the rank correlation (Spearman) with the first full training, with a 95 % interval
(bootstrap over blocks), and the time saved; the second full training shows what a perfect variant would
have.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from blockqnn.config import PRESETS, DataSettings, Recipe
from blockqnn.data.dataset import Dataset, Part, load
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.network.plan import SKELETONS, plan_network
from blockqnn.records import Failure
from blockqnn.space.code import Block
from blockqnn.space.graph import canonical_key
from random_blocks import random_blocks

ROWS = Path(__file__).resolve().parents[1] / "results" / "less-work.jsonl"
LOOKS, DRAWS = 12, 2000
FEWEST_LAYERS = 3  # shorter blocks say little, and repeat
MOST_ACTIVATIONS = 1_500_000  # an image
WIDTHS = PRESETS["standard"]["skeleton"].widths


class Variant(NamedTuple):
    epochs: int = 12
    images: float = 1.0  # share of the training images
    shrink: int = 1  # pixels a side are divided by
    thin: int = 1  # filters are divided by
    repeats: int = 1  # blocks a stage
    batch: int = 256
    precision: str = "bfloat16"
    seed: int = 0


# In the order in which they are trained, each on all blocks before the next.
VARIANTS = {
    "full": Variant(),
    "3 epochs, batch 64": Variant(epochs=3, batch=64),
    "full, another seed": Variant(seed=1),
    "images of half the side": Variant(shrink=2),
    "half the side, 3 epochs, batch 64": Variant(shrink=2, epochs=3, batch=64),
    "half the images": Variant(images=0.5),
    "half the filters": Variant(thin=2),
    "6 epochs": Variant(epochs=6),
    "3 epochs": Variant(epochs=3),
    "half the side and filters": Variant(shrink=2, thin=2),
    "two blocks a stage": Variant(repeats=2),
    "full, float32": Variant(precision="float32"),
    "half the side, float32": Variant(shrink=2, precision="float32"),
}


def blocks(dataset: Dataset, count: int) -> Iterator[Block]:
    """The first random blocks that are within all limits and differ from those before them."""
    skeleton = SKELETONS["cifar"].with_widths(WIDTHS)
    image, classes = dataset.image, len(dataset.classes)

    def wanted(block: Block) -> bool:
        small = plan_network(block, skeleton, image, classes).activations <= MOST_ACTIVATIONS
        return small and len(block.layers) >= FEWEST_LAYERS

    drawn = filter(wanted, random_blocks("less work", skeleton, image, classes))
    keys: set[str] = set()
    fresh = (b for b in drawn if (key := canonical_key(b)) not in keys and not keys.add(key))
    return islice(fresh, count)


def cheaper(dataset: Dataset, variant: Variant) -> Dataset:
    """The data set with fewer training images, and smaller ones, averaged."""
    kept = np.random.default_rng(0).permutation(len(dataset.train.labels))
    kept = np.sort(kept[: round(variant.images * len(kept))])
    train = Part(dataset.train.images[kept], dataset.train.labels[kept])
    parts = {"train": _shrunk(train, variant.shrink)}
    parts["validation"] = _shrunk(dataset.validation, variant.shrink)
    return replace(dataset, **parts)


def _shrunk(part: Part, by: int) -> Part:
    if by == 1:
        return part
    count, height, width, channels = part.images.shape
    squares = part.images.reshape(count, height // by, by, width // by, by, channels)
    return Part(squares.mean((2, 4)).round().astype(np.uint8), part.labels)


def measured(block: Block, dataset: Dataset, variant: Variant) -> dict[str, Any]:
    recipe = Recipe(epochs=variant.epochs, batch=variant.batch, precision=variant.precision)
    skeleton = SKELETONS["cifar"].with_widths(tuple(width // variant.thin for width in WIDTHS))
    skeleton = skeleton.with_repeats((variant.repeats,))
    plan = plan_network(block, skeleton, dataset.image, len(dataset.classes))
    training, validation = (on_device(p, dataset, "cpu") for p in (dataset.train, dataset.validation))
    begin = time.process_time()
    trained = train_with_restarts(
        plan,
        training,
        validation,
        recipe,
        chance=dataset.chance(recipe.metric),
        seed=variant.seed,
        looks=LOOKS,
    )
    seconds = round(time.process_time() - begin, 2)
    if isinstance(trained, Failure):
        return {"failure": trained.kind, "accuracy": 0.0, "curve": [], "seconds": seconds}
    curve = [round(p.accuracy, 2) for p in trained.history if p.accuracy is not None]
    return {"accuracy": trained.accuracy, "curve": curve, "seconds": seconds, "flops": plan.flops}


def main() -> None:
    parser = argparse.ArgumentParser(description="Cheaper trainings beside the full one.")
    parser.add_argument("data")
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--table", action="store_true", help="of the rows there are; trains nothing")
    options = parser.parse_args()
    use_one_thread()
    dataset = load(DataSettings(source=options.data))
    part, parts = map(int, options.part.split("/"))
    wanted = [] if options.table else list(enumerate(blocks(dataset, options.blocks)))
    data = {name: cheaper(dataset, variant) for name, variant in VARIANTS.items()}
    for name, variant in VARIANTS.items():
        for number, block in wanted[part - 1 :: parts]:
            if (number, name) not in {(row["block"], row["variant"]) for row in _rows()}:
                row = {"block": number, "variant": name, "code": str(block)}
                row |= measured(block, data[name], variant)
                row |= {"date": time.strftime("%F"), "fingerprint": fingerprint("cpu")}
                with ROWS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(number, name, row["accuracy"], row["seconds"], flush=True)
    print_table(_rows())


def print_table(rows: list[dict[str, Any]]) -> None:
    found = {(row["block"], row["variant"]): row for row in rows}
    print(f"{'':34} blocks   Spearman with full [95 %]   times as fast   mean accuracy")
    for name in list(VARIANTS)[1:]:
        numbers = [n for n, variant in sorted(found) if variant == name and (n, "full") in found]
        if len(numbers) < 3:
            continue
        full, own = ([found[n, variant] for n in numbers] for variant in ("full", name))
        pairs = np.array([[a["accuracy"], b["accuracy"]] for a, b in zip(full, own, strict=True)])
        rng = np.random.default_rng(0)
        draws = [_spearman(pairs[rng.integers(len(pairs), size=len(pairs))]) for _ in range(DRAWS)]
        low, high = np.nanpercentile(draws, [2.5, 97.5])
        faster = sum(row["seconds"] for row in full) / sum(row["seconds"] for row in own)
        print(
            f"{name:34} {len(numbers):6} {_spearman(pairs):8.3f} [{low:.3f}, {high:.3f}]"
            f"   {faster:10.2f}   {pairs[:, 1].mean():12.2f}"
        )


def _spearman(pairs: np.ndarray) -> float:
    return float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


if __name__ == "__main__":
    main()
