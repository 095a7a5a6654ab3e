"""What the search costs besides training: the coordinator's part of a trial, and the worker's.

    python benchmarks/coordinator.py [paper-size] [trial] [worker] [--preset standard] [--directory DIR]

paper-size: walks, replays, whole asks, a store of 11,392 trials; CIFAR skeleton 32/64/128. Best of
several repeats.
trial: one whole trial of the loop, in a fresh run and in one that holds 100,000 trials. A directory in
main memory (/dev/shm) leaves fsync out, whose work in the kernel counts as the processor's time
otherwise; the long run, which takes minutes, stays there as `stored` for the next time.
worker: what an evaluation of the demo takes besides training.

Space: 23 layers, at most 10 million parameters; the demo's where its worker is measured. One core;
evaluations are instant unless something else is said. Without names: all three.
"""

import argparse
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

from blockqnn.config import resolve
from blockqnn.network.plan import Image
from blockqnn.records import Measurement, Result, Task
from blockqnn.report.rows import read
from blockqnn.runtime.facts import DataFacts, RunFacts, problem_of, strategy_of
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.local import LocalExecutor
from blockqnn.runtime.pace import Recorded
from blockqnn.runtime.search import Progress, ask_iteration, search
from blockqnn.runtime.serial import SerialExecutor
from blockqnn.runtime.store import DATABASE, Store
from blockqnn.runtime.worker import Evaluate
from blockqnn.seeds import derive, generator
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.random_search import RandomSearch

TRIALS = 178 * 64
STORED = 100_032  # trials: whole iterations
SIZE = 64  # of an iteration, as a plan of so many trials has by default
MEASURED = 24  # iterations


def facts(trials: int = TRIALS, preset: str = "paper") -> RunFacts:
    """A run of the preset, as a store holds it."""
    data = DataFacts(
        name="cifar100",
        digest="",
        image=Image(3, 32, 32),
        classes=tuple(map(str, range(100))),
        sizes=(41_667, 8_333, 10_000),
        chance=1.0,
    )
    settings = resolve(preset, {"plan": {"trials": trials}})
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


def instant(task: Task) -> Measurement:
    """A made-up accuracy that does not depend on the block."""
    rng = Random(task.seed)
    return Measurement(
        accuracy=rng.uniform(20, 70), flops=rng.randrange(10**6, 10**9), params=rng.randrange(10**7)
    )


def instant_by_length(task: Task) -> Measurement:
    """A made-up accuracy, the higher the more layers: runs of any age then propose long blocks.

    With the other one a young run turns to blocks of 8 layers and an old one to blocks of 18, and
    what the layers cost would pass for what the stored trials cost.
    """
    accuracy = 2.5 * task.code.count("(") + Random(task.seed).uniform(0, 20)
    return instant(task).model_copy(update={"accuracy": accuracy})


def make_instant(_: dict[str, Any]) -> Evaluate:
    """For worker processes."""
    return instant


def fill(directory: Path) -> None:
    """A finished search of 11,392 trials with instant, made-up accuracies."""
    run = facts()
    problem = problem_of(run)
    with Store.create(directory, {"run": run.model_dump_json()}) as store:
        executor = SerialExecutor(instant, slots=64)
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


def fill_at_random(directory: Path, run: RunFacts, trials: int) -> None:
    """A run of so many random trials, all with outcomes, in few commits."""
    problem, seed, fold = problem_of(run), run.settings.plan.seed, Fold()
    strategy = RandomSearch(problem.mdp)
    with Store.create(directory, {"run": run.model_dump_json()}) as store:
        while len(fold.trials) < trials:
            first, decided = len(fold.trials), []
            for _ in range(min(100, (trials - first) // SIZE)):
                asked, results = ask_iteration(problem, strategy, fold, seed, SIZE, 0.0, {}, "")
                fold.add_trials(asked)
                decided += results
            added = fold.trials[first:]
            over = {result.number for result in decided}
            decided += [
                Result(number=t.number, outcome=instant_by_length(task_of(t.number, t.code, seed)))
                for t in added
                if t.repeat_of is None and t.number not in over
            ]
            store.add(added, decided)


def task_of(number: int, code: str, seed: int) -> Task:
    return Task(number=number, code=code, seed=derive(seed, "train", number))


class Spent(NamedTuple):
    """Seconds: of the processor, user and system; and on the clock, waits for the disk too."""

    cpu: float
    wall: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.cpu - other.cpu, self.wall - other.wall)

    def a_trial(self, trials: int) -> str:
        """Milliseconds."""
        return f"{1000 * self.cpu / trials:5.2f} ({1000 * self.wall / trials:5.2f})"


Laps = list[Spent]


def now() -> Spent:
    return Spent(time.process_time(), time.perf_counter())


def middle(laps: Laps) -> Spent:
    return Spent(median(lap.cpu for lap in laps), median(lap.wall for lap in laps))


def loop_costs(runs: Sequence[tuple[Path, int]], run: RunFacts, slots: int, share: float) -> list[Laps]:
    """What each iteration costs in runs that go on after so many trials; their opening does not count.

    The share of the plan stands still, so that runs of any length propose with the same epsilon. Each
    iteration is asked when the one before the last is complete, so from one ask to the next all parts
    of `SIZE` trials are done. The runs take turns, an iteration each, so that whatever else keeps the
    machine busy meets all of them.
    """
    turns = [threading.Semaphore(number == 0) for number in range(len(runs))]
    laps: list[Laps] = [[] for _ in runs]

    def go_on(me: int, directory: Path, begun: int) -> None:
        problem, following = problem_of(run), turns[(me + 1) % len(runs)]
        seen, began = 0, Spent(0.0, 0.0)

        def report(progress: Progress) -> None:
            nonlocal seen, began
            if len(progress.fold.iterations) > seen:
                laps[me].append(now() - began)
                following.release()
                turns[me].acquire()
                seen, began = len(progress.fold.iterations), now()

        iterations = begun // SIZE + 2 + MEASURED
        pace = Recorded([share] * iterations, [SIZE] * iterations, outcomes=-1)
        turns[me].acquire()
        try:
            with Store.resume(directory) as store:
                strategy = strategy_of(run.settings, problem)
                executor = SerialExecutor(instant_by_length, slots)
                search(problem, strategy, executor, store, run.settings.plan, pace=pace, report=report)
        finally:
            following.release()

    threads = [threading.Thread(target=go_on, args=(me, *what)) for me, what in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [lap[1:] for lap in laps]  # the first one ends with the opening


def bare_cost(source: Path, directory: Path, group: int) -> Laps:
    """Rows of a run written by SQLite alone, so many trials with their results a commit."""
    with closing(sqlite3.connect(source / DATABASE)) as old:
        tables = "SELECT sql FROM sqlite_master WHERE name IN ('trials', 'results') AND type = 'table'"
        schema = [sql for (sql,) in old.execute(tables)]
        trials = old.execute("SELECT * FROM trials ORDER BY number").fetchmany(MEASURED * SIZE)
        results = {row[0]: row for row in old.execute("SELECT * FROM results")}
    with closing(sqlite3.connect(directory / f"bare{group}", isolation_level=None)) as new:
        for statement in (*schema, "PRAGMA journal_mode = DELETE", "PRAGMA synchronous = EXTRA"):
            new.execute(statement)
        marks = [now()]
        for first in range(0, len(trials), group):
            rows = trials[first : first + group]
            new.execute("BEGIN IMMEDIATE")
            new.executemany("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            own = [results[row[0]] for row in rows if row[0] in results]
            new.executemany("INSERT INTO results VALUES (?, ?, ?, ?)", own)
            new.execute("COMMIT")
            marks.append(now())
    return [end - begin for begin, end in pairwise(marks)]


def in_process_overhead(candidates: int = 40) -> list[float]:
    """Seconds of each evaluation of the demo outside of its training and validation, sorted.

    One step and no restarts: what is left out is left out whole, so its length does not matter.
    """
    from blockqnn.data.dataset import load
    from blockqnn.evaluation import restarts
    from blockqnn.evaluation.early_stop import EarlyStopEvaluator

    settings = resolve("demo", {"recipe": {"steps": 1, "restarts": 0}})
    dataset = load(settings.data)
    data = facts().data.model_copy(
        update={"image": dataset.image, "classes": tuple(map(str, dataset.classes))}
    )
    problem = problem_of(RunFacts(version="", settings=settings, data=data, device="cpu"))
    asked, _ = ask_iteration(problem, RandomSearch(problem.mdp), Fold(), 0, candidates, 0.0, {}, "")
    evaluate = EarlyStopEvaluator(settings, dataset, "cpu")
    outside = []
    with timed(restarts, "fit", "score") as inside:
        for trial in asked:
            inside.clear()
            begin = time.perf_counter()
            evaluate(task_of(trial.number, trial.code, 0))
            outside.append(time.perf_counter() - begin - sum(inside))
    return sorted(outside[1:])  # the first one loads what torch loads late


@contextmanager
def timed(module: Any, *names: str) -> Iterator[list[float]]:
    """The seconds of each call of these functions of a module that none of them made."""
    functions, seconds, inside = {name: getattr(module, name) for name in names}, [], []

    def timing(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            inside.append(time.perf_counter())
            try:
                return function(*args, **kwargs)
            finally:
                begin = inside.pop()
                if not inside:
                    seconds.append(time.perf_counter() - begin)

        return wrapped

    for name, function in functions.items():
        setattr(module, name, timing(function))
    try:
        yield seconds
    finally:
        for name, function in functions.items():
            setattr(module, name, function)


def round_trips(count: int = 200) -> list[float]:
    """Seconds of each instant task that goes to a worker process and comes back, sorted."""
    seconds = []
    executor = LocalExecutor("coordinator:make_instant", {}, workers=1)
    try:
        for number in range(count):
            begin = time.perf_counter()
            executor.submit(task_of(number, "(1,1,3,0,0) (2,7,0,0,0)", 0))
            executor.wait()
            seconds.append(time.perf_counter() - begin)
    finally:
        executor.close()
    return sorted(seconds[1:])  # the first one waits for the process to start


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


def row(what: str, value: str) -> None:
    print(f"{what:45} {value}", flush=True)


def paper_size() -> None:
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


def trial(preset: str, place: Path | None) -> None:
    run = facts(STORED, preset)
    print(f"preset {preset}, ms of the processor a trial (on the clock):")
    with tempfile.TemporaryDirectory(dir=place) as directory:
        scratch = Path(directory)
        fresh, stored = scratch / "none", (place or scratch) / "stored"
        if not stored.exists():
            fill_at_random(stored, run, STORED)
        Store.create(fresh, {"run": run.model_dump_json()}).close()
        begins = ((fresh, 0), (stored, STORED))
        for share in (0.0, 0.9):
            epsilon = strategy_of(run.settings, problem_of(run)).epsilon(share)
            for slots in (1, 32):
                runs = [(copied(source, scratch / f"{begun}"), begun) for source, begun in begins]
                few, many = loop_costs(runs, run, slots, share)
                ratio = median(b.cpu / a.cpu for a, b in zip(few, many, strict=True))
                row(
                    f"epsilon {epsilon:.1f}, results come in groups of {slots}",
                    f"fresh {middle(few).a_trial(SIZE)}   {STORED} stored {middle(many).a_trial(SIZE)}"
                    f"   ratio {ratio:.2f}",
                )
        for group in (1, 32):
            bare = middle(bare_cost(stored, scratch, group))
            row(f"bare SQLite, trials a commit: {group}", bare.a_trial(group))


def copied(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(source, target)


def worker() -> None:
    outside, trips = in_process_overhead(), round_trips()
    for what, seconds in (
        ("evaluation of the demo outside of training", outside),
        ("round trip", trips),
    ):
        row(what, f"median {1000 * median(seconds):.1f} ms, longest {1000 * seconds[-1]:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    sections = {
        "paper-size": paper_size,
        "trial": lambda: trial(args.preset, args.directory),
        "worker": worker,
    }
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(sections))
    parser.add_argument("--preset", default="standard", choices=("standard", "paper"))
    parser.add_argument("--directory", type=Path, help="an existing one, for the runs of `trial`")
    args = parser.parse_args()
    if strange := set(args.sections) - set(sections):
        parser.error(f"unknown: {', '.join(sorted(strange))}")
    for name in args.sections or sections:
        sections[name]()


if __name__ == "__main__":
    main()
