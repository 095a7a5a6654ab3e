"""Strategies side by side where every evaluation is a training: blocks for CIFAR-10 images.

    PYTHONPATH=src python benchmarks/real_search.py cifar10-5000.npz --runs DIR [--part 1/2] [--table]

100 evaluations each, seeds 0 to 5, by settings that less_work.py found to rank blocks nearly as the full
early-stop training does: images of half the side with 3 epochs of batches of 64, and half the filters
(8/16/32), which were not measured together; bfloat16, one block a stage; blocks of at most 8 layers and
half of Block-QNN-S's FLOPs; the reward is the validation accuracy.
A search that was stopped goes on in DIR; finished ones are rows of results/real-search.jsonl.
Then the block of highest reward of each is trained by the full early-stop recipe (12 epochs) on whole
images, as thin, with three seeds that no search has, and each training reads the test images once.

Named before these searches: the comparison is the paired t-test over the seeds of the re-trained
accuracy (mean of the three trainings), of `q-learning` and of `predictor` against `random` and against
`evolution`. Best reward and the last tenth's mean reward are told beside it. Differences come with 95 %
intervals (Student's t) and the effect size d = mean / deviation of the differences.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

from blockqnn import search
from blockqnn.config import DataSettings
from blockqnn.data.dataset import load
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.network.plan import plan_network
from blockqnn.report.rows import read
from blockqnn.space.zoo import ZOO
from less_work_search import FIRST_JUDGE, JUDGES, PRECISION, SKELETON, judged

ROWS = Path(__file__).resolve().parents[1] / "results" / "real-search.jsonl"
STRATEGIES = ("q-learning", "random", "evolution", "predictor")
EVALUATIONS, SEEDS, SIDE, LAYERS = 100, 6, 16, 8
THIN = SKELETON.with_widths((8, 16, 32))
TOLD = ("retrained", "best_reward", "last_tenth")


def searched(data: str, strategy: str, seed: int, room: Path) -> dict[str, Any]:
    """What one search found in its first evaluations: rewards, percent of the validation images."""
    dataset = load(DataSettings(source=data, image_size=(SIDE, SIDE)))
    limit = plan_network(ZOO["block-qnn-s"], THIN, dataset.image, len(dataset.classes)).flops // 2
    run = search(
        data,
        run=room / f"{strategy}-{seed}",
        preset="standard",
        strategy=strategy,
        image_size=str(SIDE),
        settings={
            "recipe": {"precision": PRECISION, "epochs": 3, "batch": 64},
            "skeleton": asdict(THIN),
            "space": {"max_layers": LAYERS},
            "reward": {"mu": 0.0, "rho": 0.0},
            "plan": {"count": "evaluations"},
        },
        max_flops=limit,
        seed=seed,
        trials=EVALUATIONS,
        executor="serial",
        device="cpu",
    )
    view = read(run.path)
    counted = sorted(view.entries(), key=lambda entry: entry.trial)[:EVALUATIONS]
    best = max(counted, key=lambda entry: entry.reward)
    return {
        "code": best.code,
        "accuracy": best.accuracy,
        "best_reward": best.reward,
        "last_tenth": fmean(entry.reward for entry in counted[-(EVALUATIONS // 10) :]),
        "trials": len(view.fold.trials),
        "seconds": round(view.seconds),
    }


def _jobs() -> Iterator[tuple[str, int]]:
    """All strategies of a seed before the next seed, so that what there is can be compared."""
    for seed in range(SEEDS):
        for strategy in STRATEGIES:
            yield strategy, seed


def _measure(data: str, strategy: str, seed: int, room: Path) -> None:
    key = {"strategy": strategy, "seed": seed}
    row = _found({"kind": "search", **key})
    if row is None:
        row = _write({"kind": "search", **key, **searched(data, strategy, seed, room)})
    for judge in range(FIRST_JUDGE, FIRST_JUDGE + JUDGES):
        judge_key = {"kind": "judge", **key, "judge": judge}
        if _found(judge_key) is None:
            _write(judge_key | judged(data, row["code"], judge, THIN))


def print_table(rows: list[dict[str, Any]]) -> None:
    found: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        if row["kind"] == "search":
            same = {"kind": "judge", "strategy": row["strategy"], "seed": row["seed"]}
            tests = [r["test"] for r in rows if same.items() <= r.items()]
            if len(tests) == JUDGES:
                found[row["strategy"], row["seed"]] = {"retrained": fmean(tests), **row}
    seeds = [s for s in range(SEEDS) if all((name, s) in found for name in STRATEGIES)]
    print(f"{len(seeds)} seeds with all strategies")
    if len(seeds) < 2:
        return
    for field in TOLD:
        print(f"\n{field}")
        values = {name: [found[name, s][field] for s in seeds] for name in STRATEGIES}
        for name, of in values.items():
            print(f"  {name:12} {fmean(of):7.2f} +- {stdev(of):5.2f}")
        for one in ("q-learning", "predictor"):
            for other in ("random", "evolution"):
                print(f"  {one} - {other}: {difference(values[one], values[other])}")


def difference(one: list[float], other: list[float]) -> str:
    """The mean of the paired differences, its interval, the p-value of the t-test, the effect size."""
    pairs = [a - b for a, b in zip(one, other, strict=True)]
    mean, deviation, count = fmean(pairs), stdev(pairs), len(pairs)
    if not deviation:
        return f"{mean:+.2f}, the same with each seed"
    error = deviation / math.sqrt(count)
    half = float(t.ppf(0.975, count - 1)) * error
    p = 2 * float(t.sf(abs(mean) / error, count - 1))
    return (
        f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}], p = {p:.3f}, d = {mean / deviation:+.2f}"
    )


def _found(key: dict[str, Any]) -> dict[str, Any] | None:
    return next((row for row in _rows() if key.items() <= row.items()), None)


def _write(row: dict[str, Any]) -> dict[str, Any]:
    row |= {"date": time.strftime("%F"), "fingerprint": fingerprint("cpu")}
    with ROWS.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)
    return row


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description="Strategies side by side, with real trainings.")
    parser.add_argument("data")
    parser.add_argument("--runs", type=Path, required=True, help="where unfinished searches lie")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--table", action="store_true", help="of the rows there are; trains nothing")
    options = parser.parse_args()
    use_one_thread()
    part, parts = map(int, options.part.split("/"))
    for strategy, seed in () if options.table else list(_jobs())[part - 1 :: parts]:
        _measure(options.data, strategy, seed, options.runs)
    print_table(_rows())


if __name__ == "__main__":
    main()
