"""The table of blocks on digits: trained briefly with three seeds, and fully (results/digits-blocks).

    PYTHONPATH=src python benchmarks/own_table.py [--part 1/2]     trains; goes on where it stopped
    PYTHONPATH=src python benchmarks/own_table.py --write          table.npz of the rows there are

Blocks of at most 8 layers in the skeleton small (filters 16/32), with at most Block-QNN-S's FLOPs: the
first 2,000 random ones of a seeded draw with different canonical keys, and what two searches of 300
evaluations each train: Q-learning and regularized evolution, reward the first brief accuracy.

The 1,797 digits are split by class: 300 to train on, 700 for the accuracies that may guide a search,
and 797 that nothing else uses, for the judge. Brief: 40 steps of 64 images; full: 200, the rate by a
cosine; Adam, 0.001, float32. A training that breaks counts as chance.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from blockqnn.config import DataSettings, PlanSettings, Recipe, resolve
from blockqnn.data.dataset import Dataset, Part, load
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.evaluation.train import score
from blockqnn.network.plan import Limits, NetworkPlan, Skeleton, plan_network
from blockqnn.records import Failure, Measurement, Task, Trial
from blockqnn.runtime.search import Problem, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store
from blockqnn.space.code import Block, Layer, parse
from blockqnn.space.graph import canonical_key
from blockqnn.space.mdp import BlockSpace
from blockqnn.space.zoo import ZOO
from blockqnn.strategy.built_in import STRATEGIES
from random_blocks import random_blocks

ROOM = Path(__file__).resolve().parents[1] / "results" / "digits-blocks"
LAYERS, SKELETON = 8, Skeleton(("conv",), (16, 32), (1, 1))
RANDOM, SEARCHED = 2000, 300
TRAIN, GUIDE = 300, 700  # images; the rest judges
SEEDS = 3
BRIEF = Recipe(steps=40, batch=64)
FULL = Recipe(steps=200, batch=64, schedule="cosine")
SEARCHES = ("q-learning", "evolution")


def split() -> Dataset:
    """All digits, split anew by class: the validation part guides, the test part judges."""
    digits = load(DataSettings(source="digits"))
    parts = (digits.train, digits.validation, digits.test)
    images, labels = (np.concatenate([getattr(p, n) for p in parts]) for n in ("images", "labels"))
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_class = [shuffled[labels[shuffled] == c] for c in range(len(digits.classes))]
    places = np.concatenate([(np.arange(len(rows)) + 0.5) / len(rows) for rows in by_class])
    order = np.concatenate(by_class)[places.argsort(kind="stable")]  # each stretch has all classes
    stretches = np.split(order, [TRAIN, TRAIN + GUIDE])
    train, guide, judge = (Part(images[rows], labels[rows]) for rows in stretches)
    pixels = train.images / 255
    mean, deviation = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))
    return replace(digits, train=train, validation=guide, test=judge, mean=mean, deviation=deviation)


def planned(block: Block, data: Dataset, limit: int | None = None) -> NetworkPlan:
    return plan_network(block, SKELETON, data.image, len(data.classes), Limits(None, limit))


class Measured:
    """Trains blocks, each network once, and writes a row at once."""

    def __init__(self, file: Path) -> None:
        use_one_thread()
        self._file, self.data = file, split()
        self._known = {row["key"]: row for row in rows()}
        self._parts = {
            name: on_device(getattr(self.data, name), self.data, "cpu")
            for name in ("train", "validation", "test")
        }

    def row(self, block: Block, origin: str) -> dict[str, Any]:
        key = canonical_key(block)
        if key in self._known:
            return self._known[key]
        plan = planned(block, self.data)
        begin = time.process_time()
        brief = [self.trained(plan, BRIEF, seed)[0] for seed in range(SEEDS)]
        full, judged = self.trained(plan, FULL, SEEDS)
        row = {
            "code": str(block),
            "key": key,
            "origin": origin,
            "brief": brief,
            "full": full,
            "judge": judged,
            "params": plan.params,
            "flops": plan.flops,
            "seconds": round(time.process_time() - begin, 2),
            "date": time.strftime("%F"),
            "fingerprint": fingerprint("cpu"),
        }
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._known[key] = row
        return row

    def trained(self, plan: NetworkPlan, recipe: Recipe, seed: int) -> tuple[float, float]:
        """Accuracy on the images that guide, and on those that judge, in percent."""
        train, guide, judge = self._parts.values()
        trained = train_with_restarts(plan, train, guide, recipe, chance=-1.0, seed=seed)
        if isinstance(trained, Failure):
            return 100 / len(self.data.classes), 100 / len(self.data.classes)
        return trained.accuracy, score(trained.network, judge, "accuracy")

    def searched(self, name: str) -> None:
        """The blocks that a search trains; it is gone through again where it stopped."""
        space, limit = BlockSpace(LAYERS), planned(ZOO["block-qnn-s"], self.data).flops
        plan = PlanSettings(trials=SEARCHED, count="evaluations")

        def admit(episode: tuple[Layer, ...]) -> None:
            planned(space.block(episode), self.data, limit)

        def evaluate(task: Task) -> Measurement:
            row = self.row(parse(task.code), name)
            return Measurement(accuracy=row["brief"][0], flops=row["flops"], params=row["params"])

        def reward(_: Trial, outcome: Measurement | Failure) -> float:
            return outcome.accuracy if isinstance(outcome, Measurement) else 0.0

        with TemporaryDirectory() as scratch, Store.create(Path(scratch) / "run", {}) as store:
            problem = Problem(space, admit, reward)
            strategy = STRATEGIES[name](problem, resolve("small", {}))
            executor = SerialExecutor(evaluate, slots=plan.iteration_size)
            search(problem, strategy, executor, store, plan)


def random_ones(data: Dataset) -> Iterator[Block]:
    """Different networks, in the order of the draw."""
    keys = set()
    drawn = random_blocks("own table", SKELETON, data.image, len(data.classes), layers=LAYERS)
    for block in drawn:
        if (key := canonical_key(block)) not in keys:
            keys.add(key)
            yield block


def rows() -> list[dict[str, Any]]:
    """Of all parts; the first one where two parts measured the same network."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(ROOM.glob("rows-*.jsonl")):
        for line in file.read_text().splitlines():
            found.setdefault((row := json.loads(line))["key"], row)
    return list(found.values())


def write() -> None:
    """The rows as a table in the form of docs/tables.md."""
    found = rows()
    names = ("random", *SEARCHES)
    columns = {f"brief_run{n + 1}": [row["brief"][n] for row in found] for n in range(SEEDS)}
    np.savez_compressed(
        ROOM / "table.npz",
        codes=np.array([row["code"] for row in found]),
        full_guide=np.array([row["full"] for row in found], np.float32),
        full_judge=np.array([row["judge"] for row in found], np.float32),
        params=np.array([row["params"] for row in found], np.int32),
        flops=np.array([row["flops"] for row in found], np.int64),
        origin=np.array([names.index(row["origin"]) for row in found], np.int8),
        **{name: np.array(values, np.float32) for name, values in columns.items()},
    )
    print(f"{len(found)} blocks, {', '.join(f'{n}: {_count(found, n)}' for n in names)}")


def _count(found: list[dict[str, Any]], origin: str) -> int:
    return sum(row["origin"] == origin for row in found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the blocks of the table on digits.")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--write", action="store_true", help="the table of the rows there are")
    options = parser.parse_args()
    ROOM.mkdir(exist_ok=True)
    if options.write:
        write()
        return
    part, parts = map(int, options.part.split("/"))
    measured = Measured(ROOM / f"rows-{part}.jsonl")
    for number, block in enumerate(islice(random_ones(measured.data), RANDOM)):
        if number % parts == part - 1:
            measured.row(block, "random")
    for name in SEARCHES[part - 1 :: parts]:
        measured.searched(name)


if __name__ == "__main__":
    main()
