"""The measured choices behind the recipe `modern`: one change at a time, equal epochs, and what the
validation part says. The test part is not read.

    python benchmarks/recipes.py cifar10.npz results/recipes.jsonl [--epochs 20] [--seeds 3]
    python benchmarks/recipes.py cifar10.npz results/recipes.jsonl --table    # what there is so far

The data: 500 training images of each class of CIFAR-10, drawn with seed 0; a sixth of them is the
validation part. Each finished training is a line of the file; the same command goes on after it.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from blockqnn.config import RECIPES, Augmentation, DataSettings, Recipe
from blockqnn.data.dataset import Dataset, load
from blockqnn.evaluation.device import fingerprint, resolve_precision, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.network.plan import SKELETONS, NetworkPlan, plan_network
from blockqnn.records import Failure
from blockqnn.space.zoo import ZOO

NETWORKS = {"resnet-like": (16, 32, 64), "block-qnn-s": (8, 16, 32)}  # widths of the stages
IMAGES = 500  # of each class

# What the changes below are changes of. Written out here, so that rows stay comparable when the
# recipe in `config` follows from them.
BASE = Recipe(
    batch=128,
    optimizer="sgd",
    learning_rate=0.1,
    nesterov=True,
    weight_decay=5e-4,
    schedule="cosine",
    warmup=0.05,
    label_smoothing=0.1,
    augmentation=Augmentation(shift=0.125, flip=True),
    precision="auto",
)


class Variant(NamedTuple):
    name: str
    recipe: Recipe


def variants() -> Iterator[Variant]:
    """The base, then one change at a time, those that are thought to matter most first."""

    def change(name: str, **values: Any) -> Variant:
        return Variant(name, BASE.model_copy(update=values))

    def augmented(name: str, **values: Any) -> Variant:
        return change(f"augmentation {name}", augmentation=Augmentation(**values))

    yield Variant("base", BASE)
    for rate in (0.05, 0.2, 0.4, 0.8, 1.6):
        yield change(f"sgd {rate}", learning_rate=rate)
    for rate in (1e-3, 3e-3):  # decoupled, its decay is multiplied by the rate: 5e-4 would be none
        yield change(f"adamw {rate}", optimizer="adamw", learning_rate=rate, weight_decay=0.05)
    yield change("linear", schedule="linear")
    yield change("drops", schedule="drops", drops=(0.5, 0.75), drop_factor=0.1)
    yield augmented("none")
    yield augmented("shift", shift=0.125)
    yield augmented("shift flip erase", shift=0.125, flip=True, erase=0.25)
    yield augmented("shift flip color", shift=0.125, flip=True, color=0.2)
    yield augmented("shift flip zoom", shift=0.125, flip=True, zoom=0.2)
    for decay in (0.95, 0.99):  # the average's own warm-up makes a larger one the same in 1,000 steps
        yield change(f"average {decay}", average=decay)
    yield change("label smoothing 0", label_smoothing=0.0)
    yield Variant("paper-cifar", RECIPES["paper-cifar"])
    yield change("batch 64", batch=64)
    for decay in (1e-4, 1e-3):
        yield change(f"weight decay {decay}", weight_decay=decay)
    yield change("warmup 0.2", warmup=0.2)
    yield change("float32", precision="float32")  # only seconds differ where auto is that


def drawn(source: Path) -> Dataset:
    """500 training images of each class, written beside the source; of its test part nothing is used."""
    place = source.with_name(f"{source.stem}-{IMAGES}-a-class.npz")
    if not place.exists():
        with np.load(source) as arrays:
            images, labels = arrays["x_train"], arrays["y_train"]
            x_test, y_test = arrays["x_test"][:10], arrays["y_test"][:10]  # a data set must have one
        rng = np.random.default_rng(0)
        chosen = [rng.permutation(np.flatnonzero(labels == c))[:IMAGES] for c in np.unique(labels)]
        index = np.sort(np.concatenate(chosen))
        np.savez(place, x_train=images[index], y_train=labels[index], x_test=x_test, y_test=y_test)
    return load(DataSettings(source=str(place)))


def measured(plan: NetworkPlan, dataset: Dataset, recipe: Recipe, seed: int) -> dict[str, Any]:
    """What one training gives: validation accuracy in percent, None where it failed, and its time."""
    begin = time.monotonic()
    outcome = train_with_restarts(
        plan,
        on_device(dataset.train, dataset, "cpu"),
        on_device(dataset.validation, dataset, "cpu"),
        recipe,
        chance=dataset.chance(recipe.metric),
        seed=seed,
    )
    seconds = round(time.monotonic() - begin, 1)
    if isinstance(outcome, Failure):
        return {"accuracy": None, "failure": outcome.kind, "seconds": seconds}
    loss = outcome.history[-1].loss
    return {
        "accuracy": outcome.accuracy,
        "loss": loss,
        "steps": outcome.steps,
        "restarts": outcome.restarts,
        "seconds": seconds,
    }


def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["network"], row["variant"], row["seed"], row["epochs"]


def table(rows: list[dict[str, Any]], epochs: int) -> Iterator[str]:
    """Mean and deviation over the seeds, and the difference from the base at equal seeds."""
    yield "network      variant                        seeds  accuracy         less the base    seconds"
    for network, variant in product(NETWORKS, variants()):
        found = {
            name: {
                row["seed"]: row
                for row in rows
                if key(row) == (network, name, row["seed"], epochs) and row["accuracy"] is not None
            }
            for name in ("base", variant.name)
        }
        own, base = found[variant.name], found["base"]
        if not own:
            continue
        accuracy = spread([row["accuracy"] for row in own.values()], error=False)
        pairs = [own[seed]["accuracy"] - base[seed]["accuracy"] for seed in own.keys() & base.keys()]
        difference = spread(pairs, error=True) if variant.name != "base" else ""
        seconds = fmean(row["seconds"] for row in own.values())
        yield (
            f"{network:11}  {variant.name:29}  {len(own):5}  {accuracy:15}  {difference:15}"
            f"  {seconds:7.1f}"
        )


def spread(values: list[float], error: bool) -> str:
    """Mean, and deviation or standard error of the mean."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:6.2f}"
    deviation = stdev(values) / (sqrt(len(values)) if error else 1)
    return f"{fmean(values):6.2f} +- {deviation:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="train these alone")
    parser.add_argument("--table", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    lines = arguments.rows.read_text().splitlines() if arguments.rows.exists() else []
    rows = [json.loads(line) for line in lines]
    if not arguments.table:
        names = arguments.only or [variant.name for variant in variants()]
        chosen = [variant for variant in variants() if variant.name in names]
        order = product(range(arguments.seeds), arguments.networks, chosen)
        rows += trained(arguments.data, arguments.rows, arguments.epochs, order, rows)
    print("\n".join(table(rows, arguments.epochs)))


def trained(
    source: Path,
    file: Path,
    epochs: int,
    order: Iterable[tuple[int, str, Variant]],
    known: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The rows that were missing, each appended to the file as soon as it is there."""
    use_one_thread()
    dataset, done, new = drawn(source), {key(row) for row in known}, []
    for seed, network, variant in order:
        row = {"network": network, "variant": variant.name, "seed": seed, "epochs": epochs}
        if key(row) in done:
            continue
        skeleton = SKELETONS["cifar"].with_widths(NETWORKS[network])
        plan = plan_network(ZOO[network], skeleton, dataset.image, len(dataset.classes))
        precision = resolve_precision(variant.recipe.precision, "cpu")
        recipe = variant.recipe.model_copy(update={"epochs": epochs, "precision": precision})
        row |= measured(plan, dataset, recipe, seed)
        row |= {"precision": precision, "machine": fingerprint("cpu")}
        new.append(row)
        with file.open("a") as rows:
            rows.write(f"{json.dumps(row)}\n")
        print(json.dumps(row), flush=True)
    return new


if __name__ == "__main__":
    main()
