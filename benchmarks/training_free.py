"""Do scores of untrained networks tell what size and structure do not? On the table of blocks.

    PYTHONPATH=src:benchmarks python benchmarks/training_free.py [--part 1/2]
    PYTHONPATH=src:benchmarks python benchmarks/training_free.py --table

The first scores the rows of results/digits-blocks and goes on where it stopped; the second says what
the scores are worth.

One batch of 64 training images, weights drawn once. NASWOT: how differently the ReLUs of the network
see the images (Mellor et al. 2021, the logarithm of the determinant); synflow: the logarithm of
sum |w dR/dw|, R the summed logits of an image of ones through the absolute weights (Tanaka et al. 2020);
gradient norm: the logarithm of that of the loss (Abdelfattah et al. 2021).
"""

import argparse
import json
import math
import time
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from blockqnn.network.model import build
from blockqnn.space.code import parse
from blockqnn.strategy.scale import Scale
from blockqnn.strategy.surrogate import Surrogate, fitted_kernel
from blockqnn.strategy.traits import Traits
from blockqnn.tables.table import Table
from own_table import ROOM, planned, rows, split

SCORES = ROOM / "training-free.jsonl"
NAMES = ("naswot", "gradient_norm", "synflow")
BATCH = 64
TOLD, SPLITS = (50, 100, 300), 20


def naswot(network: nn.Module, images: Tensor) -> float:
    """log |K + I|: K counts, for each two images, the units of all ReLUs that agree about them.

    The identity keeps it finite where a small network cannot tell two images apart.
    """
    agree = torch.eye(len(images), dtype=torch.float64)

    def count(_: nn.Module, __: Any, out: Tensor) -> None:
        on = (out.detach() > 0).flatten(1).double()
        agree.add_(on @ on.T + (1 - on) @ (1 - on).T)

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.ReLU)]
    with torch.no_grad():
        network.train()(images)
    for hook in hooks:
        hook.remove()
    return float(torch.linalg.slogdet(agree).logabsdet)


def gradient_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    network.train().zero_grad()
    nn.functional.cross_entropy(network(images), labels).backward()
    squares = (p.grad.square().sum() for p in network.parameters() if p.grad is not None)
    return math.log(torch.stack(list(squares)).sum().sqrt().item() + 1e-30)


def synflow(network: nn.Module, images: Tensor) -> float:
    """BN does nothing here: it is in the form for use, with the statistics it begins with."""
    network.eval().double()
    network.zero_grad()
    with torch.no_grad():
        for p in network.parameters():
            p.abs_()
    network(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    flows = [(p * p.grad).abs().sum() for p in network.parameters() if p.grad is not None]
    return math.log(torch.stack(flows).sum().item() + 1e-30)


def scored(part: int, parts: int) -> None:
    """The scores of each row of the table that has none yet."""
    data = split()
    pixels = (data.train.images[:BATCH] / 255 - data.mean) / data.deviation
    images = torch.from_numpy(pixels).float().permute(0, 3, 1, 2)
    labels = torch.from_numpy(data.train.labels[:BATCH]).long()
    done = {row["key"] for row in score_rows()}
    for number, row in enumerate(rows()):
        if number % parts != part - 1 or row["key"] in done:
            continue
        begin = time.process_time()
        network = build(planned(parse(row["code"]), data), seed=0)
        found = {
            "key": row["key"],
            "naswot": naswot(network, images),
            "gradient_norm": gradient_norm(network, images, labels),
            "synflow": synflow(network, images),
            "seconds": round(time.process_time() - begin, 3),
        }
        with SCORES.open("a") as file:
            file.write(json.dumps(found) + "\n")


def score_rows() -> list[dict[str, Any]]:
    if not SCORES.exists():
        return []
    return [json.loads(line) for line in SCORES.read_text().splitlines()]


def table() -> None:
    """Rank correlations, alone and beside what a model knows anyway."""
    measured = Table(ROOM / "table.npz")
    by_key = {row["key"]: row for row in score_rows()}
    found = [(row, by_key[row["key"]]) for row in rows() if row["key"] in by_key]
    places = [measured.space.row_of(row["code"]) for row, _ in found]
    traits = [measured.traits(measured.space.episode(row["code"])) for row, _ in found]
    scores = {name: np.array([score[name] for _, score in found]) for name in NAMES}
    told_of, *others = (measured.column(f"brief_run{n}")[places] for n in (1, 2, 3))
    brief, full = sum(others) / len(others), measured.column("full_judge")[places]

    print(f"{len(found)} blocks, {fmean(score['seconds'] for _, score in found):.2f} s each\n")
    print("| Spearman with | brief, other seeds | full |\n| --- | --- | --- |")
    sizes = np.array([t.size for t in traits])
    for name, values in {"log FLOPs": sizes, "brief, one seed": told_of, **scores}.items():
        against = (f"{spearmanr(values, other).statistic:.3f}" for other in (brief, full))
        print(f"| {name} | {' | '.join(against)} |")

    print("\n| designs told | the model knows | Spearman, brief accuracies of the others |")
    print("| --- | --- | --- |")
    for told in TOLD:
        plain = [predicted(traits, None, told_of, brief, told, seed) for seed in range(SPLITS)]
        print(f"| {told} | size and structure | {fmean(plain):.3f} +- {stdev(plain):.3f} |")
        for name, values in scores.items():
            more = [predicted(traits, values, told_of, brief, told, seed) for seed in range(SPLITS)]
            gain = [b - a for a, b in zip(plain, more, strict=True)]
            print(f"| | and {name} | {fmean(gain):+.3f} +- {stdev(gain) / SPLITS**0.5:.3f} |")


def predicted(
    traits: list[Traits],
    more: NDArray[Any] | None,
    rewards: NDArray[Any],
    truth: NDArray[Any],
    told: int,
    seed: int,
) -> float:
    """Spearman's correlation of the model's means with the truth of designs it was not told."""
    values = np.array([t.values for t in traits])
    if more is not None:
        values = np.column_stack([values, more])
    order = np.random.default_rng(seed).permutation(len(traits))
    known, rest = order[:told], order[told:]
    scale = Scale([Traits(traits[n].size, tuple(values[n])) for n in order[:300]])
    scaled = scale(Traits(0.0, tuple(row)) for row in values)
    kernel = fitted_kernel(scaled[known], rewards[known], scale.length)
    model = Surrogate(scaled[known], rewards[known], kernel)
    return float(spearmanr(model(scaled[rest]).mean, truth[rest]).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores of untrained networks, on the table of blocks.")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--table", action="store_true", help="what the scores are worth")
    options = parser.parse_args()
    if options.table:
        table()
    else:
        scored(*map(int, options.part.split("/")))


if __name__ == "__main__":
    main()
