"""Does the agent learn? Q-learning against random search at equal numbers of distinct evaluations.

    python benchmarks/learning.py synthetic
    python benchmarks/learning.py TABLE.npz COLUMN      (docs/tables.md)

Prints for each agent the best value found and the mean of the last tenth of the trials, over
seeds, and the one-sided paired t-test against random search. Table accuracies are the table's own
(NAS-Bench-201: on the test images); nothing is chosen by them but the search itself.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import ttest_rel

from blockqnn.config import PRESETS, AgentSettings, PlanSettings
from blockqnn.records import Measurement, Task
from blockqnn.runtime.search import Problem, Strategy, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store
from blockqnn.space.code import Block, Op, parse
from blockqnn.space.graph import depth, simplified
from blockqnn.space.mdp import MDP, BlockSpace
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.random_search import RandomSearch
from blockqnn.tables.table import Table, TableEvaluator

PAPER = AgentSettings(**PRESETS["paper"]["agent"])
_MEMORY = next((path for path in ("/dev/shm",) if Path(path).is_dir()), None)  # no disk to wait for
AGENTS: dict[str, Callable[[MDP[Any, Any], int], Strategy]] = {
    "random": lambda mdp, _: RandomSearch(mdp),
    "default": lambda mdp, seed: QAgent(mdp, AgentSettings(), seed),
    "paper": lambda mdp, seed: QAgent(mdp, PAPER, seed),
}


@dataclass(frozen=True)
class Searched:
    """One search, cut at its last counted evaluation."""

    best: float  # highest reward
    last_tenth: float  # mean reward of the last tenth of the trials, repeats included
    new_in_last_tenth: float  # share of them that are no repeats
    trials: int


def synthetic_accuracy(block: Block) -> float:
    """A made-up accuracy in percent: depth to 4, Adds of two convolutions, few poolings, kernels."""
    nodes = simplified(block).nodes
    convolutions = {i for i, n in enumerate(nodes, start=1) if n.op is Op.CONV}
    adds = sum(n.op is Op.ADD and set(n.preds) <= convolutions for n in nodes)
    pools = sum(n.op in (Op.MAX_POOL, Op.AVG_POOL) for n in nodes)
    kernels = len({n.kernel for n in nodes if n.op is Op.CONV})
    noise = int(sha256(str(block).encode()).hexdigest()[:8], 16) / 2**32
    return (
        40.0
        + 7.0 * min(4, depth(simplified(block)))
        + 5.0 * min(2, adds)
        + 2.0 * kernels
        - 2.0 * pools
        + noise
    )


def synthetic() -> tuple[MDP[Any, Any], Callable[[Task], Measurement]]:
    """Blocks of 8 layers with the made-up accuracy."""

    def evaluate(task: Task) -> Measurement:
        return Measurement(accuracy=synthetic_accuracy(parse(task.code)), flops=0, params=0)

    return BlockSpace(8), evaluate


def table(path: Path, column: str) -> tuple[MDP[Any, Any], Callable[[Task], Measurement]]:
    """A measured table; a code is an evaluation, whatever architecture it shares."""
    measured = Table(path, architectures=False)
    return measured.space, TableEvaluator(measured, column)


def run(
    mdp: MDP[Any, Any],
    evaluate: Callable[[Task], Measurement],
    agent: str,
    evaluations: int,
    seed: int,
) -> Searched:
    """One search by the real loop and store, until so many distinct designs are evaluated."""
    problem = Problem(mdp, lambda _: None, lambda _, outcome: outcome.accuracy)
    plan = PlanSettings(seed=seed, trials=evaluations, count="evaluations")
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY) as directory,
        Store.create(Path(directory), {}) as store,
    ):
        executor = SerialExecutor(evaluate, slots=64)
        fold = search(problem, AGENTS[agent](mdp, seed), executor, store, plan)
    end = [t.number for t in fold.trials if t.repeat_of is None][:evaluations][-1] + 1
    trials = fold.trials[:end]
    values = [fold.outcome(t).accuracy for t in trials]
    tail = max(1, end // 10)
    new = fmean(t.repeat_of is None for t in trials[-tail:])
    return Searched(max(values), fmean(values[-tail:]), new, end)


def compare(
    make: Callable[[], tuple[MDP[Any, Any], Callable[[Task], Measurement]]], evaluations: int, seeds: int
) -> dict[str, list[Searched]]:
    """Every agent with every seed."""
    mdp, evaluate = make()
    return {
        agent: [run(mdp, evaluate, agent, evaluations, seed) for seed in range(seeds)]
        for agent in AGENTS
    }


def p_value(results: dict[str, list[Searched]], agent: str, field: str) -> float:
    """One-sided paired t-test: the agent's value is above random search's."""
    a, b = ([getattr(s, field) for s in results[name]] for name in (agent, "random"))
    return float(ttest_rel(a, b, alternative="greater").pvalue)


def lines(results: dict[str, list[Searched]]) -> list[str]:
    """A table as text: mean and deviation over the seeds, p against random search."""
    rows = ["agent     best             p       last tenth       p       new   trials"]
    for agent, found in results.items():
        cells = [f"{agent:8}"]
        for field in ("best", "last_tenth"):
            values = [getattr(s, field) for s in found]
            p = "      -" if agent == "random" else f"{p_value(results, agent, field):7.1e}"
            cells.append(f"{fmean(values):7.3f} +- {stdev(values):5.3f}  {p}")
        new, trials = fmean(s.new_in_last_tenth for s in found), fmean(s.trials for s in found)
        rows.append("  ".join([*cells, f"{new:4.0%}", f"{trials:6.0f}"]))
    return rows


def main() -> None:
    make = synthetic if sys.argv[1] == "synthetic" else partial(table, Path(sys.argv[1]), sys.argv[2])
    for evaluations in (300, 1000):
        print(f"{' '.join(sys.argv[1:])}: {evaluations} distinct evaluations, 20 seeds")
        print("\n".join(lines(compare(make, evaluations, seeds=20))), flush=True)


if __name__ == "__main__":
    main()
