"""A search whose candidates train less, and one whose candidates train fully, in equal time.

    PYTHONPATH=src python benchmarks/less_work_search.py cifar10-5000.npz [--budget 20m] [--seeds 3]

For each seed two searches run at the same time, one worker and so one core each, so that what else
happens on the machine meets both: `full` by the preset `standard` (12 epochs of batches of 256), `less`
by 3 epochs of batches of 64. Blocks have at most 12 layers and Block-QNN-S's FLOPs. The block that each
search ranks first is then trained by the full recipe with fresh seeds, and each training reads the test
images once. Finished searches and trainings are rows of results/less-work-search.jsonl; started again
it goes on. Prints the table of these rows.
"""

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from blockqnn import search
from blockqnn.config import PRESETS, DataSettings, Recipe
from blockqnn.data.dataset import load
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.restarts import train_with_restarts
from blockqnn.evaluation.train import score
from blockqnn.network.plan import Skeleton, plan_network
from blockqnn.space.code import parse
from blockqnn.space.zoo import ZOO

ROWS = Path(__file__).resolve().parents[1] / "results" / "less-work-search.jsonl"
RECIPES: dict[str, dict[str, Any]] = {"full": {}, "less": {"epochs": 3, "batch": 64}}
SKELETON = PRESETS["standard"]["skeleton"]
MAX_LAYERS, PRECISION = 12, "bfloat16"
JUDGES, FIRST_JUDGE = 3, 1000  # seeds that no search has


def searched(data: str, name: str, budget: str, seed: int) -> dict[str, Any]:
    """A search in a directory that is not kept: what it saw, and the block that it ranks first."""
    dataset = load(DataSettings(source=data))
    limit = plan_network(ZOO["block-qnn-s"], SKELETON, dataset.image, len(dataset.classes)).flops
    with tempfile.TemporaryDirectory() as scratch:
        run = search(
            data,
            run=Path(scratch) / "run",
            preset="standard",
            settings={
                "recipe": {"precision": PRECISION, **RECIPES[name]},
                "space": {"max_layers": MAX_LAYERS},
                "reward": {"mu": 1.0, "rho": 8.0},  # the default when its rows were made
            },
            max_flops=limit,
            seed=seed,
            budget=budget,
            executor="local",
            workers=1,
            device="cpu",
        )
        best, counts = run.best(), run.status()["trials"]
        assert best is not None
        return {"code": best.code, "accuracy": best.accuracy, "evaluations": counts["evaluated"]}


def judged(data: str, code: str, seed: int, skeleton: Skeleton = SKELETON) -> dict[str, Any]:
    """The block trained by the full recipe with a fresh seed; percent of the test images."""
    use_one_thread()
    dataset = load(DataSettings(source=data))
    parts = [on_device(p, dataset, "cpu") for p in (dataset.train, dataset.validation, dataset.test)]
    training, validation, test = parts
    plan = plan_network(parse(code), skeleton, dataset.image, len(dataset.classes))
    recipe = Recipe(precision=PRECISION)
    trained = train_with_restarts(
        plan, training, validation, recipe, chance=dataset.chance(recipe.metric), seed=seed
    )
    network = getattr(trained, "network", None)
    return {"code": code, "test": score(network, test, recipe.metric) if network else 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description="Searches of equal time, by less work and by all.")
    parser.add_argument("data")
    parser.add_argument("--budget", default="20m")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    tag = {"data": Path(options.data).stem, "budget": options.budget}
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        for seed in range(options.seeds):
            keys = [{"kind": "search", "recipe": name, "seed": seed, **tag} for name in RECIPES]
            open_keys = [key for key in keys if not _found(key)]
            started = [
                (key, processes.submit(searched, options.data, key["recipe"], options.budget, seed))
                for key in open_keys
            ]
            for key, result in started:
                _write(key | result.result())
        judges = [
            ({"kind": "judge", "recipe": name, "seed": seed, "judge": FIRST_JUDGE + judge, **tag}, best)
            for seed in range(options.seeds)
            for name in RECIPES
            if (best := _found({"kind": "search", "recipe": name, "seed": seed, **tag}))
            for judge in range(JUDGES)
        ]
        trainings = [
            (key, processes.submit(judged, options.data, best["code"], key["judge"]))
            for key, best in judges
            if not _found(key)
        ]
        for key, result in trainings:
            _write(key | result.result())
    print_table(_rows(), tag)


def print_table(rows: list[dict[str, Any]], tag: dict[str, str]) -> None:
    rows = [row for row in rows if tag.items() <= row.items()]
    print("seed  recipe  evaluations  accuracy in the search  test accuracy, full recipe")
    for row in (row for row in rows if row["kind"] == "search"):
        same = {"kind": "judge", "recipe": row["recipe"], "seed": row["seed"]}
        tests = [r["test"] for r in rows if same.items() <= r.items()]
        shown = f"{fmean(tests):.2f} +- {stdev(tests):.2f} ({len(tests)})" if len(tests) > 1 else "-"
        counts = f"{row.get('evaluations', '-'):>11}  {row['accuracy']:22.2f}"
        print(f"{row['seed']:4}  {row['recipe']:6}  {counts}  {shown}")


def _found(key: dict[str, Any]) -> dict[str, Any] | None:
    return next((row for row in _rows() if key.items() <= row.items()), None)


def _write(row: dict[str, Any]) -> None:
    row |= {"date": time.strftime("%F"), "fingerprint": fingerprint("cpu")}
    with ROWS.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


if __name__ == "__main__":
    main()
