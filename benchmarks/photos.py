"""Blocks found on CIFAR images in the ImageNet skeleton on photographs, beside a hand-made ResNet.

    PYTHONPATH=src python benchmarks/photos.py PHOTOS --runs DIR [--seeds 3] [--epochs 40] [--rate 0.1]

PHOTOS has class folders in train and val or test. All are trained by the recipe paper-imagenet
(random-resized crops, flips, drops at a third and two thirds) with fewer epochs and batches of 32, at
128 pixels; --rate is the learning rate, without it the recipe's. One block was found on CIFAR-100 by
Q-learning, one on CIFAR-10 by the predictor; the latter and the ResNet of the same skeleton (stem, four
stages of the exemplar's blocks) have widths for as many parameters as the first. Each model reads the
test part once. A finished row goes to results/photos.jsonl; started again with the same DIR it goes on.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

import blockqnn
import dense_tasks
from blockqnn.config import RECIPES
from blockqnn.network.plan import SKELETONS, Image, plan_network
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

ROWS = Path(__file__).resolve().parents[1] / "results" / "photos.jsonl"
BLOCKS = {
    "found": parse(dense_tasks.BLOCKS["found"]),
    "predictor's": parse(dense_tasks.BLOCKS["predictor's"]),
    "resnet": ZOO["resnet-like"],
}
WIDTHS, SIDE = (8, 16, 32, 64), 128


def main() -> None:
    parser = argparse.ArgumentParser(description="Found blocks and a ResNet on photographs.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rate", type=float, default=RECIPES["paper-imagenet"].learning_rate)
    options = parser.parse_args()
    classes = len([path for path in (options.photos / "train").glob("*") if path.is_dir()])
    known = {asked(row) for row in rows()}
    for name in BLOCKS:
        if (options.photos.name, name, options.epochs, options.rate, options.seeds) not in known:
            row = trained(options, name, widths_of(name, classes))
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    print_table(rows())


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def asked(row: dict[str, Any]) -> tuple[str, str, int, float, int]:
    """Data, block, epochs, rate and number of seeds: the same is not trained again."""
    return row["data"], row["block"], row["epochs"], row["rate"], len(row["test"])


def widths_of(name: str, classes: int) -> tuple[int, ...]:
    """WIDTHS for the found block; for another those of as many parameters."""
    if name == "found":
        return WIDTHS
    aim = parameters("found", WIDTHS, classes)
    tried = [tuple(round(factor * width) for width in WIDTHS) for factor in np.arange(0.5, 6, 0.01)]
    return min(tried, key=lambda widths: abs(parameters(name, widths, classes) - aim))


def parameters(name: str, widths: tuple[int, ...], classes: int) -> int:
    skeleton = SKELETONS["imagenet"].with_widths(widths)
    return plan_network(BLOCKS[name], skeleton, Image(3, SIDE, SIDE), classes).params


def trained(options: argparse.Namespace, name: str, widths: tuple[int, ...]) -> dict[str, Any]:
    """One network with all seeds; in its directory a training that was cut off goes on."""
    out = options.runs / f"{options.photos.name}-{name}-{options.rate:g}"
    if not (out / "metrics.json").exists():  # else its row alone was not written
        blockqnn.train(
            BLOCKS[name],
            str(options.photos),
            preset="paper-imagenet",
            epochs=options.epochs,
            settings={"batch": 32, "learning_rate": options.rate},
            skeleton="imagenet",
            widths=widths,
            image_size=SIDE,
            seeds=options.seeds,
            out=out,
            live=True,
        )
    metrics = json.loads((out / "metrics.json").read_text())
    return {
        "data": options.photos.name,
        "block": name,
        "epochs": options.epochs,
        "rate": options.rate,
        "widths": widths,
        "params": metrics["params"],
        "flops": metrics["flops"],
        "validation": [reading["validation_accuracy"] for reading in metrics["test_readings"]],
        "test": [reading["test_accuracy"] for reading in metrics["test_readings"]],
        "test_images": metrics["test_images"],
        "seconds": round(metrics["seconds"] / options.seeds, 1),
        "date": time.strftime("%F"),
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    print("| data | rate | block | widths | parameters | FLOPs | validation | test | s a training |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        network = f"{row['rate']:g} | {row['block']} | {'/'.join(map(str, row['widths']))}"
        size = f"{row['params']:,} | {row['flops']:,}"
        judged = f"{told(row['validation'])} | {told(row['test'])}"
        print(f"| {row['data']} | {network} | {size} | {judged} | {row['seconds']:.0f} |")


def told(values: list[float]) -> str:
    spread = f" +- {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{fmean(values):.2f}{spread} ({', '.join(f'{v:.1f}' for v in values)})"


if __name__ == "__main__":
    main()
