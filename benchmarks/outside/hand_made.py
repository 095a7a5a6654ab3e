"""A known network trained for the whole time: the ResNet-like exemplar, or a hand-made ResNet.

    python benchmarks/outside/hand_made.py DATA exemplar --minutes 10 --seed 0 --out row.json

Both take the preset `modern` of `blockqnn train` as it is, on two threads, until the time is over: the
recipe that a user gets without a search. The ResNet has 20 layers and about as many parameters as
the exemplar in CIFAR's skeleton.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from resnet import ResNet, parameters, width_for
from row import Row, median_ms, write
from torch import nn

from blockqnn.config import RECIPES, DataSettings
from blockqnn.data.dataset import load
from blockqnn.evaluation.device import resolve_precision
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.length import Length, total_steps
from blockqnn.evaluation.train import fit, score
from blockqnn.network.model import build
from blockqnn.network.plan import SKELETONS, plan_network
from blockqnn.space.zoo import ZOO

DEPTH, THREADS = 20, 2
ENDLESS = 10**6  # epochs: the time ends it


def network_of(name: str, image: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    """The exemplar in the skeleton `cifar`, or the ResNet of its size."""
    plan = plan_network(ZOO["resnet-like"], SKELETONS["cifar"], image, classes)
    if name == "exemplar":
        return build(plan, seed)
    torch.manual_seed(seed)
    network = ResNet(DEPTH, width_for(plan.params, DEPTH, image[0], classes), image[0], classes)
    return network.to(memory_format=torch.channels_last)


def main() -> None:
    parser = argparse.ArgumentParser(description="A known network, trained for the whole time.")
    parser.add_argument("data")
    parser.add_argument("network", choices=("exemplar", "resnet"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    begun = time.monotonic()
    torch.set_num_threads(THREADS)
    size = (options.image_size, options.image_size) if options.image_size else None
    dataset = load(DataSettings(source=options.data, image_size=size))
    network = network_of(options.network, dataset.image, len(dataset.classes), options.seed)
    training, validation = (on_device(p, dataset, "cpu") for p in (dataset.train, dataset.validation))
    begin = time.monotonic()
    score(network, validation, "accuracy")  # how long the look at the end will take
    look = time.monotonic() - begin
    recipe = RECIPES["modern"].model_copy(
        update={"epochs": ENDLESS, "precision": resolve_precision("auto", "cpu")}
    )
    deadline = begun + 60 * options.minutes - look
    length = Length(total_steps(recipe, len(training)), deadline)
    fit(
        network,
        training,
        recipe,
        learning_rate=recipe.learning_rate,
        seed=options.seed,
        length=length,
    )
    accuracy = score(network, validation, "accuracy")
    minutes = (time.monotonic() - begun) / 60
    tested = score(network, on_device(dataset.test, dataset, "cpu"), "accuracy")
    assert math.isfinite(accuracy + tested)
    torch.set_num_threads(1)
    image, _ = validation.batch(slice(0, 1))
    network.eval()
    with torch.inference_mode():
        latency = median_ms(lambda: network(image))
    write(
        Row(
            contender=options.network,
            data=dataset.name,
            seed=options.seed,
            minutes=round(minutes, 2),
            validation_accuracy=accuracy,
            test_accuracy=tested,
            params=parameters(network),
            latency_ms=latency,
            threads=THREADS,
        ),
        options.out,
    )


if __name__ == "__main__":
    main()
