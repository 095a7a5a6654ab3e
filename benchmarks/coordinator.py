"""What the coordinator costs at the paper's size: walks, replays, whole asks, a store of 11,392 trials.

    python benchmarks/coordinator.py

Best of several repeats, on one core; evaluations are instant. Space: 23 layers, CIFAR skeleton
32/64/128, at most 10 million parameters.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from blockqnn.config import resolve
from blockqnn.network.plan import Image
from blockqnn.records import Measurement, Task
from blockqnn.report.rows import read
from blockqnn.runtime.facts import DataFacts, RunFacts, problem_of, strategy_of
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.search import ask_iteration, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import Store
from blockqnn.seeds import generator
from blockqnn.strategy.q_agent import QAgent

TRIALS = 178 * 64


def facts(trials: int = TRIALS) -> RunFacts:
    """A run of the preset `paper`, as a store holds it."""
    data = DataFacts(
        name="cifar100",
        digest="",
        image=Image(3, 32, 32),
        classes=tuple(map(str, range(100))),
        sizes=(41_667, 8_333, 10_000),
        chance=1.0,
    )
    settings = resolve("paper", {"plan": {"trials": trials}})
    return RunFacts(version="", settings=settings, data=data, device="cpu")


def taught_agent(iterations: int = 20) -> tuple[QAgent[Any, Any], list[tuple[Any, float]]]:
    """An agent that was told some iterations of 64 random blocks, and the last of them."""
    problem = problem_of(facts())
    agent = QAgent(problem.mdp, facts().settings.agent, seed=0)
    rng = Random(0)
    for iteration in range(iterations):
        told = [(agent.ask(0.0, rng, set()), rng.uniform(20, 70)) for _ in range(64)]
        agent.tell(iteration, told)
    return agent, told


def walks_and_replays() -> float:
    """Seconds for 64 walks of the half-greedy agent and 64 replays, at 23 layers."""
    agent, told = taught_agent()

    def once() -> None:
        for number in range(64):
            agent.ask(0.8, generator(0, "proposal", number, 0), set())
        agent.tell(99, told)

    return best_of(5, once)


def whole_ask() -> float:
    """Seconds for 64 accepted proposals: redraws, plans and keys included."""
    problem = problem_of(facts())
    agent, _ = taught_agent()
    plan = facts().settings.plan
    return best_of(3, lambda: ask_iteration(problem, agent, Fold(), plan.seed, 64, 0.0, {}, ""))


def fill(directory: Path) -> None:
    """A finished search of 11,392 trials with instant, made-up accuracies."""
    run = facts()
    problem = problem_of(run)

    def evaluate(task: Task) -> Measurement:
        rng = Random(task.seed)
        return Measurement(
            accuracy=rng.uniform(20, 70), flops=rng.randrange(10**6, 10**9), params=rng.randrange(10**7)
        )

    with Store.create(directory, {"run": run.model_dump_json()}) as store:
        executor = SerialExecutor(evaluate, slots=64)
        search(problem, strategy_of(run.settings, problem), executor, store, run.settings.plan)


# the peak of resource.getrusage would be that of the process that started it
OPEN = """
import sys, time
begin = time.monotonic()
from pathlib import Path
from blockqnn.report.rows import read
view = read(Path(sys.argv[1]))
view.status()
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak = next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)
print(len(view.fold.trials), time.monotonic() - begin, peak, "torch" in sys.modules)
"""


def open_store(directory: Path) -> tuple[int, float, int, bool]:
    """In a fresh process: trials, seconds to open, fold and count, peak MB, torch imported."""
    out = subprocess.run(
        [sys.executable, "-c", OPEN, str(directory)], check=True, capture_output=True, text=True
    ).stdout.split()
    return int(out[0]), float(out[1]), int(out[2]), out[3] == "True"


def help_seconds() -> float:
    """Seconds for `blockqnn --help`, process start included."""
    command = [sys.executable, "-m", "blockqnn.cli", "--help"]
    return best_of(5, lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def best_of(repeats: int, work: Callable[[], Any]) -> float:
    times = []
    for _ in range(repeats):
        begin = time.monotonic()
        work()
        times.append(time.monotonic() - begin)
    return min(times)


def main() -> None:
    def row(what: str, value: str) -> None:
        print(f"{what:45} {value}", flush=True)

    row("64 walks and 64 replays, 23 layers", f"{1000 * walks_and_replays():.1f} ms")
    row("ask of 64 accepted proposals", f"{1000 * whole_ask():.1f} ms")
    row("blockqnn --help", f"{1000 * help_seconds():.0f} ms")
    with tempfile.TemporaryDirectory() as directory:
        begin = time.monotonic()
        fill(Path(directory))
        seconds = time.monotonic() - begin
        row(
            f"search of {TRIALS} instant trials",
            f"{seconds:.1f} s, {1000 * seconds / TRIALS:.2f} ms each",
        )
        trials, seconds, peak, torch = open_store(Path(directory))
        row(f"store of {trials} trials ready", f"{seconds:.2f} s, {peak} MB, torch imported: {torch}")
        print("iterations  epsilon  mean length of accepted and of all proposals")
        for r in read(Path(directory)).by_iteration(8):
            lengths = f"{r.length:5.1f}  {r.proposed_length:5.1f}"
            print(f"{r.first:5}-{r.last:<4}  {r.epsilon:7.1f}  {lengths}")


if __name__ == "__main__":
    main()
