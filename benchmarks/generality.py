"""Is a block that is good on some images good on others? Found and random ones on three data sets.

    PYTHONPATH=src python benchmarks/generality.py \
        --data cifar10-5000.npz cifar100-5000.npz digits [--part 1/2] [--table]

Found: the blocks of highest reward of the searches of real_search.py on 5,000 CIFAR-10 images, one of
each search, `q-learning` and `predictor` in turns, until there are ten different networks. Random: the
first ten walks whose networks have as many parameters as one of the found, within a tenth, one for
each. All are trained by the full early-stop recipe (12 epochs of batches of 256, Adam) with one block a
stage and filters 8/16/32 (digits: 16/32), three seeds that no search has, on the training part;
accuracy of the validation part. Rows of results/generality.jsonl; started again
it goes on. The table tells Spearman's rank correlation between each two data sets, of all 20 and of
each ten, with bootstrap intervals.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from blockqnn.config import DataSettings, Recipe
from blockqnn.data.dataset import load
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.network.plan import SKELETONS, Image, plan_network
from blockqnn.report.resampling import agreement
from blockqnn.space.code import Block, parse
from blockqnn.space.graph import canonical_key
from random_blocks import random_blocks

RESULTS = Path(__file__).resolve().parents[1] / "results"
ROWS, SEARCHES = RESULTS / "generality.jsonl", RESULTS / "real-search.jsonl"
AGENTS = ("predictor", "q-learning")
BLOCKS, SEEDS, NEAR, LAYERS = 10, 3, 0.1, 8
THIN = SKELETONS["cifar"].with_widths((8, 16, 32))
SMALL = SKELETONS["small"].with_widths((16, 32))
SIZED_ON = Image(3, 32, 32)


def found() -> list[Block]:
    searches = [row for row in _rows(SEARCHES) if row["kind"] == "search"]
    own = sorted(
        (row["seed"], row["strategy"], row["code"]) for row in searches if row["strategy"] in AGENTS
    )
    by_key = {canonical_key(block): block for block in (parse(code) for *_, code in own)}
    return list(by_key.values())[:BLOCKS]


def random_like(blocks: Sequence[Block]) -> list[Block]:
    """One random block for each, of about its size."""
    chosen: dict[int, Block] = {}
    known = {canonical_key(block) for block in blocks}
    sizes = [_params(block) for block in blocks]
    for block in random_blocks("generality", THIN, SIZED_ON, 10, layers=LAYERS):
        size = _params(block)
        near = (n for n, of in enumerate(sizes) if n not in chosen and abs(size - of) <= NEAR * of)
        if canonical_key(block) not in known and (place := next(near, None)) is not None:
            chosen[place] = block
            known.add(canonical_key(block))
        if len(chosen) == len(blocks):
            return [chosen[n] for n in range(len(blocks))]
    raise AssertionError("random blocks do not end")


def _params(block: Block) -> int:
    return plan_network(block, THIN, SIZED_ON, 10).params


def trained(block: Block, source: str, seed: int) -> float:
    """Percent of the validation images; chance where nothing is learned."""
    dataset = load(DataSettings(source=source))
    skeleton = SMALL if dataset.image.height <= 16 else THIN
    plan = plan_network(block, skeleton, dataset.image, len(dataset.classes))
    recipe = Recipe(precision="auto" if skeleton is THIN else "float32")
    parts = [on_device(part, dataset, "cpu") for part in (dataset.train, dataset.validation)]
    chance = dataset.chance(recipe.metric)
    outcome = train_with_restarts(plan, *parts, recipe, chance=chance, seed=seed)
    return float(getattr(outcome, "accuracy", chance))


def print_table(rows: list[dict[str, Any]]) -> None:
    means: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        same = [r["accuracy"] for r in rows if (r["data"], r["code"]) == (row["data"], row["code"])]
        if len(same) == SEEDS:
            means.setdefault(row["data"], {})[row["group"], row["code"]] = fmean(same)
    for data, of in means.items():
        groups = {g: [a for (group, _), a in of.items() if group == g] for g in ("found", "random")}
        told = ", ".join(f"{g} {fmean(v):.2f} (n = {len(v)})" for g, v in groups.items() if v)
        print(f"{data}: mean accuracy {told}")
    for one, other in combinations(means, 2):
        for group in ("all", "found", "random"):
            both = [k for k in means[one] if k in means[other] and group in ("all", k[0])]
            if len(both) < 3:
                continue
            rho = agreement([means[one][k] for k in both], [means[other][k] for k in both]).spearman
            if rho:
                interval = f"[{rho.low:.2f}, {rho.high:.2f}]"
                print(
                    f"{one} and {other}, {group}: Spearman {rho.value:.2f} {interval}, n = {len(both)}"
                )


def _jobs(options: argparse.Namespace) -> Iterator[tuple[str, str, str, int]]:
    best = found()
    groups = (("found", best), ("random", random_like(best)))
    for seed in range(SEEDS):
        for group, blocks in groups:
            for block in blocks:
                for data in options.data:
                    yield group, str(block), data, 1000 + seed


def main() -> None:
    parser = argparse.ArgumentParser(description="Found and random blocks on three data sets.")
    parser.add_argument("--data", nargs="+", default=[])
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--table", action="store_true", help="of the rows there are; trains nothing")
    options = parser.parse_args()
    use_one_thread()
    part, parts = map(int, options.part.split("/"))
    for group, code, data, seed in () if options.table else list(_jobs(options))[part - 1 :: parts]:
        key = {"group": group, "code": code, "data": Path(data).stem, "seed": seed}
        if any(key.items() <= row.items() for row in _rows(ROWS)):
            continue
        begun = time.monotonic()
        accuracy = trained(parse(code), data, seed)
        seconds = round(time.monotonic() - begun, 2)
        row = {**key, "accuracy": accuracy, "params": _params(parse(code)), "seconds": seconds}
        row |= {"date": time.strftime("%F"), "fingerprint": fingerprint("cpu")}
        with ROWS.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
    print_table(_rows(ROWS))


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
