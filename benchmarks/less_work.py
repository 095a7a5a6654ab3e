"""Less work for the same answer: do cheaper trainings rank blocks as the full early-stop training does?

    PYTHONPATH=src python benchmarks/less_work.py DATA [--blocks 60] [--part 1/2] [--only NAME] [--table]

DATA: cifar10-5000.npz (outside/subset.py).

The first random blocks of a seeded draw (distinct keys, 3 to 23 layers, at most Block-QNN-S's FLOPs
and 1.5 million activations an image) are each trained by the preset `standard` in bfloat16, with two
seeds, and once by each variant; validation accuracy counts. Each finished row goes to
results/less-work.jsonl, with the accuracy after each twelfth of the training, so that rules which stop
early can be replayed; the same command goes on. A failure counts as accuracy 0. The table gives for
each variant the rank correlation (Spearman) with the first full training, whose seed it shares, and with
the second one, which nothing shares, less that of the two full trainings, which bounds it; with 95 %
intervals (bootstrap over blocks), and the time saved.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
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


FULL, SECOND = "full", "full, another seed"
# In the order in which they are trained, each on all blocks before the next.
VARIANTS = {
    FULL: Variant(),
    "3 epochs, batch 64": Variant(epochs=3, batch=64),
    SECOND: Variant(seed=1),
    "images of half the side": Variant(shrink=2),
    "half the side, 3 epochs, batch 64": Variant(shrink=2, epochs=3, batch=64),
    "half the images": Variant(images=0.5),
    "half the filters": Variant(thin=2),
    "6 epochs": Variant(epochs=6),
    "two blocks a stage, half the side, 3 epochs, batch 64": Variant(3, shrink=2, repeats=2, batch=64),
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
    parser.add_argument("--only", choices=VARIANTS, help="this variant alone")
    parser.add_argument("--table", action="store_true", help="of the rows there are; trains nothing")
    options = parser.parse_args()
    use_one_thread()
    dataset = load(DataSettings(source=options.data))
    part, parts = map(int, options.part.split("/"))
    wanted = [] if options.table else list(enumerate(blocks(dataset, options.blocks)))
    for name, variant in VARIANTS.items():
        if options.only not in (None, name):
            continue
        data = cheaper(dataset, variant)
        for number, block in wanted[part - 1 :: parts]:
            if (number, name) not in {(row["block"], row["variant"]) for row in _rows()}:
                row = {"block": number, "variant": name, "code": str(block)}
                row |= measured(block, data, variant)
                row |= {"date": time.strftime("%F"), "fingerprint": fingerprint("cpu")}
                with ROWS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(number, name, row["accuracy"], row["seconds"], flush=True)
    print_table(_rows())


def print_table(rows: list[dict[str, Any]]) -> None:
    found = {(row["block"], row["variant"]): row["accuracy"] for row in rows}
    seconds = {(row["block"], row["variant"]): row["seconds"] for row in rows}
    print(
        f"{'':54} blocks   Spearman with full [95 %]   with the second full, minus that of both"
        "   times as fast   mean accuracy"
    )
    for name in list(VARIANTS)[1:]:
        numbers = [n for n, v in sorted(found) if v == name and {(n, FULL), (n, SECOND)} <= found.keys()]
        if len(numbers) < 3:
            continue
        table = np.array([[found[n, v] for v in (FULL, SECOND, name)] for n in numbers])
        rng = np.random.default_rng(0)
        draws = [table[rng.integers(len(table), size=len(table))] for _ in range(DRAWS)]
        whole, other = _told(table, draws, _with_full), _told(table, draws, _behind)
        faster = sum(seconds[n, FULL] for n in numbers) / sum(seconds[n, name] for n in numbers)
        beside = "" if name == SECOND else f"{_spearman(table, 2, 1):.3f}, {other}"
        print(
            f"{name:54} {len(numbers):6} {whole:>27}   {beside:>40}   {faster:13.2f}"
            f"   {table[:, 2].mean():13.2f}"
        )


def _told(table: np.ndarray, draws: list[np.ndarray], value: Callable[[np.ndarray], float]) -> str:
    """The value with its 95 % interval (bootstrap over blocks)."""
    low, high = np.nanpercentile([value(draw) for draw in draws], [2.5, 97.5])
    return f"{value(table):.3f} [{low:.3f}, {high:.3f}]"


def _with_full(table: np.ndarray) -> float:
    return _spearman(table, 2, 0)


def _behind(table: np.ndarray) -> float:
    """How much less the variant says of the second full training than the first one does."""
    return _spearman(table, 2, 1) - _spearman(table, 0, 1)


def _spearman(table: np.ndarray, one: int, other: int) -> float:
    return float(spearmanr(table[:, one], table[:, other]).statistic)


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


if __name__ == "__main__":
    main()
