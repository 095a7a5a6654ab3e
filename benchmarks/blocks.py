"""Published, known, hand-made, random and found networks by one recipe: what a block is worth.

    PYTHONPATH=src python benchmarks/blocks.py cifar10-5000.npz [--epochs 20] [--seeds 3] [--part 1/2]

The data as benchmarks/outside/subset.py writes them. All blocks stand in the skeleton `cifar` with
the widths 16/32/64, one block a stage; the hand-made ResNet has about the parameters of Block-QNN-S.
The random blocks are the first five of a seeded draw with at most Block-QNN-S's FLOPs, the found one
is the best of results/cifar100-search. The recipe is `modern` with these epochs; a training that breaks
begins anew at 0.4 of the rate, as `train` does it. Every network is named here before it is trained;
each model reads the test part once, after its last step. Each
finished row goes to results/blocks.jsonl; the same command goes on. `--part 1/2` and `--part 2/2` are
for two processes.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import torch
from torch import nn

from blockqnn.config import RECIPES, DataSettings, Recipe
from blockqnn.data.dataset import Dataset, load
from blockqnn.evaluation.device import fingerprint, resolve_precision, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.train import Watch, fit, score
from blockqnn.network.model import build
from blockqnn.network.plan import SKELETONS, plan_network
from blockqnn.report.rows import read
from blockqnn.space.code import Block
from blockqnn.space.zoo import ZOO
from random_blocks import random_blocks

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "outside"))
from resnet import ResNet, parameters, width_for  # noqa: E402

ROWS = ROOT / "results" / "blocks.jsonl"
FOUND = ROOT / "results" / "cifar100-search"
SKELETON = SKELETONS["cifar"].with_widths((16, 32, 64))
RANDOM, DEPTH = 5, 20


class Contender(NamedTuple):
    name: str
    code: str
    params: int
    flops: int | None


def blocks(dataset: Dataset) -> Iterator[tuple[str, Block]]:
    """The blocks by name."""
    yield "Block-QNN-S", ZOO["block-qnn-s"]
    yield "ResNet-like exemplar", ZOO["resnet-like"]
    view = read(FOUND)
    yield "found on CIFAR-100", view.facts.block(view.entries()[0].code)
    drawn = random_blocks("blocks", SKELETON, dataset.image, len(dataset.classes))
    for number, block in enumerate(islice(drawn, RANDOM), 1):
        yield f"random {number}", block


def main() -> None:
    parser = argparse.ArgumentParser(description="Networks of all kinds by one recipe.")
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", default="1/1")
    options = parser.parse_args()
    use_one_thread()
    dataset = load(DataSettings(source=options.data))
    recipe = RECIPES["modern"].model_copy(
        update={"epochs": options.epochs, "precision": resolve_precision("auto", "cpu")}
    )
    part, parts = map(int, options.part.split("/"))
    networks = dict(_networks(dataset))
    order = [(name, seed) for seed in range(options.seeds) for name in networks]
    for name, seed in order[part - 1 :: parts]:
        if (name, seed, options.epochs) not in {(r["name"], r["seed"], r["epochs"]) for r in _rows()}:
            contender, make = networks[name]
            row = _measured(make, dataset, recipe, seed)
            facts = {**contender._asdict(), "seed": seed, "epochs": options.epochs}
            with ROWS.open("a") as file:
                file.write(json.dumps({**facts, **row}) + "\n")
            print(name, seed, row, flush=True)
    _print_table([row for row in _rows() if row["epochs"] == options.epochs], list(networks))


def _networks(dataset: Dataset) -> Iterator[tuple[str, tuple[Contender, Any]]]:
    image, classes = dataset.image, len(dataset.classes)
    size = 0
    for name, block in blocks(dataset):
        plan = plan_network(block, SKELETON, image, classes)
        size = size or plan.params  # Block-QNN-S comes first
        yield name, (Contender(name, str(block), plan.params, plan.flops), partial(build, plan))
    width = width_for(size, DEPTH, image.channels, classes)

    def resnet(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return ResNet(DEPTH, width, image.channels, classes).to(memory_format=torch.channels_last)

    facts = Contender(f"hand-made ResNet-{DEPTH}", f"width {width}", parameters(resnet(0)), None)
    yield facts.name, (facts, resnet)


def _measured(
    make: Callable[[int], nn.Module], dataset: Dataset, recipe: Recipe, seed: int
) -> dict[str, Any]:
    begin = time.monotonic()
    training, validation = (on_device(p, dataset, "cpu") for p in (dataset.train, dataset.validation))
    for restart in range(recipe.restarts + 1):
        network, rate = make(seed), recipe.learning_rate * recipe.restart_factor**restart
        watch = Watch(looks=20)
        fitted = fit(network, training, recipe, learning_rate=rate, seed=seed, watch=watch)
        if not fitted.stopped:
            break
    return {
        "validation": score(network, validation, recipe.metric),
        "test": score(network, on_device(dataset.test, dataset, "cpu"), recipe.metric),
        "loss": fitted.loss,
        "rate": rate,
        "seconds": round(time.monotonic() - begin, 1),
        "date": time.strftime("%F"),
        "fingerprint": fingerprint("cpu"),
    }


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def _print_table(rows: list[dict[str, Any]], names: list[str]) -> None:
    print("network                 n  test accuracy     validation  parameters        FLOPs  seconds")
    for name in names:
        own = [row for row in rows if row["name"] == name]
        if not own:
            continue
        tested = [row["test"] for row in own]
        spread = f"{stdev(tested):.2f}" if len(own) > 1 else "   -"
        flops = "-" if own[0]["flops"] is None else f"{own[0]['flops']:,}"
        print(
            f"{name:22} {len(own):2}  {fmean(tested):5.2f} +- {spread} %"
            f"  {fmean(r['validation'] for r in own):8.2f} %  {own[0]['params']:10,}  {flops:>11}"
            f"  {fmean(r['seconds'] for r in own):7.0f}"
        )


if __name__ == "__main__":
    main()
