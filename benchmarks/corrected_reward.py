"""Does the corrected reward rank networks as their full training does? On measured networks only.

    PYTHONPATH=src:benchmarks:tests python benchmarks/corrected_reward.py [--nas DIR]

Spearman's rank correlation of ACC - mu log FLOPs - rho log density (eq. 7, natural logarithms) with the
final accuracy, for each mu and rho, on: the 99 models of the paper's fig. 6; each table in DIR; our own
table of blocks; and the blocks of less_work.py. It tells the same of the tenth of highest early-stop
accuracy (30 networks at least), where a search ends, and the difference between the paper's weights and
none with a 95 % interval (bootstrap over the networks). The tables of DIR hold test accuracies and no
density, and EC-NAS no FLOPs: there parameters stand for them.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from blockqnn.space.code import parse
from blockqnn.space.graph import density, simplified
from fig6 import POINTS

RESULTS = Path(__file__).resolve().parents[1] / "results"
MU, RHO = (-4.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0), (-8.0, 0.0, 2.0, 8.0)
PAPER, DRAWS = (1.0, 8.0), 1000
NAS = {
    "nasbench201.npz": ("c10_test_e12", "c10_test_e200", "mflops"),
    "nasbench_macro.npz": ("test_acc_run1", "test_acc_run23", "flops"),
    "ecnas_4v.npz": ("val_acc_e12_run1", "test_acc_e108_run2", "params"),
}
Floats = NDArray[np.float64]


class Networks(NamedTuple):
    name: str
    accuracy: Floats  # early stop, percent
    final: Floats
    flops: Floats
    density: Floats | None


def networks(name: str, accuracy: object, final: object, flops: object, density: object) -> Networks:
    """Numbers as arrays; None where there is no density."""
    values = [
        None if v is None else np.asarray(v, dtype=float) for v in (accuracy, final, flops, density)
    ]
    return Networks(name, *values)


def measured(nas: Path | None) -> Iterator[Networks]:
    columns = (
        [getattr(p, field) for p in POINTS] for field in ("accuracy", "final", "flops", "density")
    )
    yield networks("fig. 6 of the paper", *columns)
    for file, (early, final, size) in NAS.items() if nas else ():
        table = np.load(nas / file)
        yield networks(file.removesuffix(".npz"), table[early], table[final], table[size], None)
    own = np.load(RESULTS / "digits-blocks" / "table.npz")
    codes = [_density(code) for code in own["codes"]]
    yield networks("digits-blocks", own["brief_run1"], own["full_judge"], own["flops"], codes)
    rows = [json.loads(line) for line in (RESULTS / "less-work.jsonl").read_text().splitlines()]
    of = {v: {r["block"]: r for r in rows if r["variant"] == v} for v in {r["variant"] for r in rows}}
    final = of["full, another seed"]
    for variant in ("full", "3 epochs, batch 64"):
        both = [(row, final[block]) for block, row in of[variant].items() if block in final]
        early, late = zip(*((one["accuracy"], other["accuracy"]) for one, other in both), strict=True)
        costs = ([one["flops"] for one, _ in both], [_density(one["code"]) for one, _ in both])
        yield networks(f"CIFAR-10 blocks, {variant}", early, late, *costs)


def correlation(of: Networks, mu: float, rho: float) -> float:
    reward = of.accuracy - mu * np.log(of.flops)
    if of.density is not None:
        reward = reward - rho * np.log(of.density)
    return float(spearmanr(reward, of.final).statistic)


def chosen(of: Networks, rows: NDArray[np.intp]) -> Networks:
    density = None if of.density is None else of.density[rows]
    return Networks(of.name, of.accuracy[rows], of.final[rows], of.flops[rows], density)


def difference(of: Networks) -> str:
    """The paper's weights less none: correlation, interval."""
    rng = np.random.default_rng(0)
    drawn = [chosen(of, rng.integers(0, len(of.final), len(of.final))) for _ in range(DRAWS)]
    low, high = np.quantile(
        [correlation(d, *PAPER) - correlation(d, 0, 0) for d in drawn], [0.025, 0.975]
    )
    return f"{correlation(of, *PAPER) - correlation(of, 0, 0):+.3f} [{low:+.3f}, {high:+.3f}]"


def show(of: Networks) -> None:
    best = chosen(of, np.argsort(-of.accuracy, kind="stable")[: max(30, len(of.final) // 10)])
    for part in (of, best) if len(best.final) < len(of.final) else (of,):
        kind = "all" if part is of else "best by early stop"
        print(f"\n{of.name}: {kind}, {len(part.final)}; paper's weights less none {difference(part)}")
        for rho in RHO if of.density is not None else (0.0,):
            cells = (f"{correlation(part, mu, rho):7.3f}" for mu in MU)
            print(f"  rho {rho:4g}  " + " ".join(cells))


def _density(code: str) -> float:
    return density(simplified(parse(code)))


def main() -> None:
    parser = argparse.ArgumentParser(description="The corrected reward against final accuracy.")
    parser.add_argument("--nas", type=Path, help="the directory of the tables of other search spaces")
    options = parser.parse_args()
    print("mu        " + " ".join(f"{mu:7g}" for mu in MU))
    for of in measured(options.nas):
        show(of)


if __name__ == "__main__":
    main()
