"""Does the shaped reward help? Figure 5 on digits: 29 iterations, every network trained.

    PYTHONPATH=src python benchmarks/shaped_reward.py [--seeds 3]

As in the paper's figure the first 11 iterations are at random and common to both: they are searched
once and forked. Then 18 iterations with the reward of eq. 6 for every step (`shaped`) and none before
the last one (`unshaped`), epsilon falling from 0.9 to 0.1 in nine equal levels. Agent, reward, skeleton
and recipe are those of published_schedule.py, with iterations of 32. Runs lie in
results/evidence/shaped-reward; started again it goes on. `blockqnn figure 5` draws them. Prints, paired
over the seeds, the difference of the last three iterations' mean accuracy, reward and length.
"""

import argparse
import shutil
from pathlib import Path
from statistics import fmean
from typing import Any

import blockqnn
from blockqnn.figures.moments import accuracies, by_iteration, lengths, rewards
from blockqnn.report.rows import read
from published_schedule import AGENTS, COMMON
from real_search import difference

RUNS = Path(__file__).resolve().parents[1] / "results" / "evidence" / "shaped-reward"
SIZE, RANDOM, LAST = 32, 11, 3
LEVELS = tuple((level / 10, 2) for level in range(9, 0, -1))
ITERATIONS = RANDOM + sum(count for _, count in LEVELS)


def main() -> None:
    parser = argparse.ArgumentParser(description="Shaped and unshaped rewards on digits.")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    pairs = [searched(seed) for seed in range(options.seeds)]
    for what, points in (("accuracy", accuracies), ("reward", rewards), ("length", lengths)):
        ends = [[_end(run, points) for run in pair] for pair in pairs]
        told = ", ".join(f"{one:.2f} and {other:.2f}" for one, other in ends)
        print(f"{what}, shaped and unshaped: {told}")
        if len(ends) > 1:
            print(f"  shaped - unshaped: {difference(*map(list, zip(*ends, strict=True)))}")


def searched(seed: int) -> list[Path]:
    """The finished run with shaped rewards and that without them."""
    runs = {RUNS / f"shaped-{seed}": True, RUNS / f"unshaped-{seed}": False}
    common = RUNS / f"random-{seed}"
    if not all(run.exists() for run in runs):
        agent = {**AGENTS["paper"]["agent"], "epsilon": ((1.0, 1),)}
        blockqnn.search(
            "digits",
            run=common,
            preset="small",
            settings={**COMMON, **AGENTS["paper"], "agent": agent, "plan": _plan(RANDOM)},
            seed=seed,
            executor="local",
            workers=1,
            device="cpu",
            live=True,
        )
        for run, shaped in runs.items():
            shutil.rmtree(run, ignore_errors=True)
            agent = {"epsilon": ((1.0, RANDOM), *LEVELS), "shaped": shaped}
            blockqnn.fork(common, run, settings={"agent": agent, "plan": _plan(ITERATIONS)})
        shutil.rmtree(common)
    for run in runs:
        blockqnn.search(run=run, live=True)
    return list(runs)


def _plan(iterations: int) -> dict[str, int]:
    return {"trials": iterations * SIZE, "iteration": SIZE, "staleness": 0}


def _end(run: Path, points: Any) -> float:
    view = read(run)
    return fmean(value for _, value in points(by_iteration(view))[-LAST:])


if __name__ == "__main__":
    main()
