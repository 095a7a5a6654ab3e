"""Whether the search's training makes networks as good as a plain loop does: equal steps, equal weights.

Loop c of benchmarks/candidates.py and loop b, this one in float32 and in bfloat16, train each block from
the same first weights by Adam at the constant rate 1e-3; the order of images and how they are varied are
drawn by each loop in its own way. Images are shifted and flipped, but characters are not.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, stdev
from typing import Any, NamedTuple

import torch
from scipy.special import stdtrit

from blockqnn.config import Augmentation, Recipe
from blockqnn.data.dataset import Dataset
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.length import total_steps
from blockqnn.evaluation.train import fit, score
from blockqnn.network.model import build
from blockqnn.network.plan import Image, NetworkPlan, Skeleton, plan_network
from blockqnn.space.code import Block
from plain_loop import in_memory, plain_network, variation


class Way(NamedTuple):
    """A loop and the number format in which it trains."""

    loop: str
    precision: str


PLAIN = Way("c", "float32")
WAYS = (PLAIN, Way("b", "float32"), Way("b", "bfloat16"))
Rows = list[dict[str, Any]]


def recipe_for(image: Image, epochs: int, batch: int, *, varied: bool) -> Recipe:
    """Adam at a constant rate; the images are shifted and flipped if they are varied."""
    how = variation(image) if varied else Augmentation()
    return Recipe(epochs=epochs, batch=batch, learning_rate=1e-3, drops=(), augmentation=how)


def accuracy(
    way: Way, plan: NetworkPlan, dataset: Dataset, recipe: Recipe, device: str, seed: int
) -> float:
    """Percent of the validation part, after the recipe's steps from the weights of that seed."""
    training, validation = (
        on_device(part, dataset, device) for part in (dataset.train, dataset.validation)
    )
    if way == PLAIN:
        network = plain_network(plan, device, seed)
        torch.manual_seed(seed)
        varied = recipe.augmentation.flip
        loop = in_memory(network, dataset, device, recipe.batch, varied=varied)
        loop(total_steps(recipe, len(training)), lambda _step, _progress: None)
    else:
        network = build(plan, seed).to(device)
        own = recipe.model_copy(update={"precision": way.precision})
        fit(network, training, own, learning_rate=own.learning_rate, seed=seed)
    return score(network, validation, "accuracy")


def rows_of(
    blocks: Iterable[tuple[str, Block]],
    skeleton: Skeleton,
    dataset: Dataset,
    recipe: Recipe,
    device: str,
    seeds: int,
) -> Iterator[dict[str, Any]]:
    """A row for each training, seeds innermost but for the ways, so that a pair stands together."""
    for name, block in blocks:
        plan = plan_network(block, skeleton, dataset.image, len(dataset.classes))
        for seed in range(seeds):
            for way in WAYS:
                yield {
                    "name": name,
                    "code": str(block),
                    "params": plan.params,
                    "flops": plan.flops,
                    "batch": recipe.batch,
                    "steps": total_steps(recipe, len(dataset.train)),
                    **way._asdict(),
                    "seed": seed,
                    "accuracy": accuracy(way, plan, dataset, recipe, device, seed),
                }


class Paired(NamedTuple):
    """The mean of paired differences: its standard error, and Student's 95 % interval."""

    mean: float
    error: float  # NaN of a single pair, as the interval then is
    low: float
    high: float


def paired(differences: Sequence[float]) -> Paired:
    """Over all pairs alike; the interval speaks of these blocks, not of others."""
    mean, count = fmean(differences), len(differences)
    if count < 2:
        return Paired(mean, math.nan, math.nan, math.nan)
    error = stdev(differences) / math.sqrt(count)
    half = float(stdtrit(count - 1, 0.975)) * error  # Student's t
    return Paired(mean, error, mean - half, mean + half)


def print_table(rows: Rows) -> None:
    """Mean accuracy of each block and way, and how far the search's training is from the plain loop."""
    found = {
        (row["name"], row["seed"], Way(row["loop"], row["precision"])): row["accuracy"] for row in rows
    }
    pairs = list(dict.fromkeys((row["name"], row["seed"]) for row in rows))
    names = dict.fromkeys(name for name, _ in pairs)
    print(f"{'validation accuracy, %':24}" + "".join(f"{' '.join(way):>12}" for way in WAYS))
    for name in names:
        means = (fmean(found[*pair, way] for pair in pairs if pair[0] == name) for way in WAYS)
        print(f"{name:24}" + "".join(f"{mean:12.2f}" for mean in means))
    for way in WAYS[1:]:
        of = paired([found[*pair, way] - found[*pair, PLAIN] for pair in pairs])
        print(
            f"{' '.join(way)} - {' '.join(PLAIN)}: {of.mean:+.2f} points, standard error {of.error:.2f},"
            f" 95 % [{of.low:+.2f}, {of.high:+.2f}], {len(pairs)} pairs of block and seed"
        )
