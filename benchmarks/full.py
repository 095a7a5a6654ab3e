"""A network trained in full on all training images, and tested once: what a block is worth at its size.

    PYTHONPATH=src python benchmarks/full.py cifar10.npz --network block-qnn-s --preset modern \
        [--epochs 60] [--seed 0] [--set learning_rate=0.1] [--device cuda] [--hold-out]

`--network` is a block's name or code, in the skeleton `cifar` with N blocks a stage and the widths
32/64/128 (section 4.3: N = 2), or `resnet`: a hand-made pre-activation ResNet-26 with about the
parameters of Block-QNN-S there, which makes it as wide as WRN-28-4. The training is `fit`, as of every
command. All 50,000 training images are trained on; with `--hold-out` the validation part is kept apart
and read instead of the test part, to choose something by. The finished row goes to results/full.jsonl.
A training that was stopped goes on from its `--checkpoint`.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from blockqnn.config import RECIPES, DataSettings, Recipe, changed
from blockqnn.data.dataset import Dataset, Part, load
from blockqnn.evaluation.checkpoint import Checkpoint
from blockqnn.evaluation.device import fingerprint, resolve_device, resolve_precision
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.length import batches_per_epoch
from blockqnn.evaluation.train import Watch, fit, score
from blockqnn.network.model import build
from blockqnn.network.plan import SKELETONS, plan_network
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "outside"))
from resnet import ResNet, parameters, width_for  # noqa: E402

DEPTH = 26


def main() -> None:
    options = _options()
    device = resolve_device(options.device)
    dataset = load(DataSettings(source=options.data))
    if not options.hold_out:
        dataset = replace(dataset, train=_joined(dataset.train, dataset.validation))
    recipe = _recipe(options, device)
    network, facts = _network(options, dataset)
    torch.backends.cudnn.benchmark = True  # every step has the same shapes
    row = {
        "data": dataset.name,
        "network": options.network if len(options.network) < 30 else "code",
        **facts,
        "preset": options.preset,
        "changes": options.set,
        "epochs": recipe.epochs,
        "seed": options.seed,
        "precision": recipe.precision,
        "trained_on": len(dataset.train.labels),
        **_measured(network.to(device), dataset, recipe, options, device),
        "date": time.strftime("%F"),
        "fingerprint": fingerprint(device),
    }
    with options.rows.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One network trained in full, tested once.")
    parser.add_argument("data")
    parser.add_argument("--network", default="block-qnn-s")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--widths", type=_numbers, default=(32, 64, 128))
    parser.add_argument("--preset", choices=RECIPES, default="modern")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--hold-out", action="store_true")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--rows", type=Path, default=ROOT / "results" / "full.jsonl")
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _recipe(options: argparse.Namespace, device: str) -> Recipe:
    changes: dict[str, Any] = {k: yaml.safe_load(v) for k, v in (s.split("=") for s in options.set)}
    changes |= {"epochs": options.epochs} if options.epochs else {}
    recipe = changed(RECIPES[options.preset], changes)
    return changed(recipe, {"precision": resolve_precision(recipe.precision, device)})


def _network(options: argparse.Namespace, dataset: Dataset) -> tuple[nn.Module, dict[str, Any]]:
    image, classes = dataset.image, len(dataset.classes)
    skeleton = SKELETONS["cifar"].with_widths(options.widths).with_repeats((options.repeats,))
    if options.network == "resnet":
        size = plan_network(ZOO["block-qnn-s"], skeleton, image, classes).params
        width = width_for(size, DEPTH, image.channels, classes)
        torch.manual_seed(options.seed)
        resnet = ResNet(DEPTH, width, image.channels, classes).to(memory_format=torch.channels_last)
        return resnet, {
            "code": f"depth {DEPTH}, width {width}",
            "params": parameters(resnet),
            "flops": None,
        }
    block = ZOO.get(options.network) or parse(options.network)
    plan = plan_network(block, skeleton, image, classes)
    stages = {"widths": options.widths, "repeats": options.repeats}
    return build(plan, options.seed), {
        "code": str(block),
        **stages,
        "params": plan.params,
        "flops": plan.flops,
    }


def _measured(
    network: nn.Module, dataset: Dataset, recipe: Recipe, options: argparse.Namespace, device: str
) -> dict[str, Any]:
    part = on_device(dataset.train, dataset, device)
    per_epoch, begin = batches_per_epoch(recipe, len(part)), time.monotonic()
    checkpoint, start = None, None
    if options.checkpoint:
        network_of = [options.network, options.widths, options.repeats, options.seed]
        training = [dataset.digest, options.hold_out, network_of, recipe.model_dump(mode="json")]
        checkpoint = Checkpoint(options.checkpoint, json.dumps(training), every=120.0)
        start = checkpoint.load(device)

    def report(step: int, progress: float) -> None:
        if step % per_epoch == 0:
            passed = time.monotonic() - begin
            print(f"epoch {step // per_epoch}, {100 * progress:.0f} %, {passed:.0f} s", flush=True)

    watch = Watch(report=report, looks=20, looked=lambda point: print(point, flush=True))
    fitted = fit(
        network,
        part,
        recipe,
        learning_rate=recipe.learning_rate,
        seed=options.seed,
        watch=watch,
        checkpoint=checkpoint,
        start=start,
    )
    seconds = checkpoint.seconds if checkpoint else time.monotonic() - begin
    name, judged = ("validation", dataset.validation) if options.hold_out else ("test", dataset.test)
    memory = {"peak_memory": torch.cuda.max_memory_allocated()} if device == "cuda" else {}
    accuracy = score(network, on_device(judged, dataset, device), "accuracy")
    return {name: accuracy, "loss": fitted.loss, "seconds": round(seconds, 1), **memory}


def _joined(one: Part, other: Part) -> Part:
    return Part(np.concatenate([one.images, other.images]), np.concatenate([one.labels, other.labels]))


if __name__ == "__main__":
    main()
