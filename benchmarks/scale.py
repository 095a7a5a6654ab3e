"""What limits the coordinator of many workers: docs/scale.md says what the numbers mean.

    python benchmarks/scale.py disk | cluster | restart | idle | predictor | picture FILE.svg

cluster: a search with its store on the disk, 23 layers, on workers that are simulated: their time is
virtual, log-normal about `--seconds`, and what the coordinator takes passes there too; of the attempts
1 % each answer twice, lose their worker, or are cut off and answer late, 0.1 % lose a node of 8.
restart: runs of so many trials opened, folded and counted, each in a fresh process.
disk: fsync, and how many results a second are durable, in commits of so many.
idle: the share of the slots' time that is lost at the borders of iterations, in virtual time alone.
predictor: seconds of one iteration's proposals with a model, after so many designs.

`--directory` is where runs are written; a system's temporary directory may lie in memory.
"""

import argparse
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, NamedTuple

import blockqnn.runtime.search as loop
from blockqnn.config import PlanSettings
from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.records import Result, Task, Trial
from blockqnn.runtime.facts import facts_of, problem_of, strategy_of
from blockqnn.runtime.fold import Fold
from blockqnn.runtime.search import Problem, Progress, ask_iteration, search
from blockqnn.runtime.store import Store
from blockqnn.seeds import generator
from coordinator import facts, fill_at_random, instant_by_length, now, open_store, row, task_of, timed
from simulated import Faults, Simulated, Unwritten

FAULTS = Faults(duplicate=0.01, lost=0.01, late=0.01, node=0.001)
SIGMA = 0.6  # of the logarithm: the longest of 100 candidates takes 4 times the median's time
DOWN = 2.0  # medians until a lost worker is back


def log_normal(median: float, seed: int = 0) -> Callable[[Task], float]:
    return lambda task: median * generator(seed, "seconds", task.number).lognormvariate(0.0, SIGMA)


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, math.floor(share * len(values)))]


def milliseconds(values: Sequence[float]) -> str:
    return f"{1000 * quantile(values, 0.5):.1f}, {1000 * quantile(values, 0.99):.1f}"


def peak() -> int:
    """MB of this process at its largest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def in_fresh_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """So that its peak of memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


class Timed(Simulated):
    """Which knows what it costs itself, in seconds of the processor."""

    own = 0.0

    def submit(self, task: Task) -> None:
        begin = time.process_time()
        super().submit(task)
        self.own += time.process_time() - begin

    def wait(self, timeout: float | None = None) -> list[Result]:
        begin = time.process_time()
        done = super().wait(timeout)
        self.own += time.process_time() - begin
        return done


def cluster(workers: int, plan: PlanSettings, seconds: float, place: Path | None) -> str:
    """One search, as a row of the table."""
    assert plan.trials is not None
    run = facts(plan.trials, "standard")
    settings = run.settings.model_copy(update={"plan": plan})
    run = run.model_copy(update={"settings": settings})
    problem = problem_of(run)
    executor = Timed(
        workers,
        log_normal(seconds),
        evaluate=instant_by_length,
        faults=FAULTS,
        down=DOWN * seconds,
        clock=time.perf_counter,
    )
    last = (0.0, 0, 0)  # at the last ask: the cluster's time, results, iterations

    def report(progress: Progress) -> None:
        nonlocal last
        if len(progress.fold.iterations) > last[2]:
            last = executor.now, len(progress.fold.arrived), len(progress.fold.iterations)

    with (
        tempfile.TemporaryDirectory(dir=place) as directory,
        Store.create(Path(directory) / "run", {"run": run.model_dump_json()}) as store,
        timed(Store, "add") as commits,
        timed(loop, "ask_iteration") as asks,
    ):
        begin = now()
        fold = search(problem, strategy_of(settings, problem), executor, store, plan, report=report)
        spent = now() - begin
    results, until = len(fold.arrived), last[0]
    cpu = spent.cpu - executor.own
    cells = (
        f"{workers:,}",
        f"{plan.iteration_size:,}",
        f"{plan.staleness}",
        f"{seconds:g}",
        f"{results:,}",
        f"{last[1] / until:.1f}",
        f"{results / (spent.wall - executor.own):.0f}",
        f"{results / len(commits):.1f}",
        milliseconds(commits),
        milliseconds(asks),
        f"{100 * executor.idle(until):.1f}",
        f"{1000 * cpu / results:.2f}",
        f"{peak()}",
        f"{executor.met['lost']} / {executor.met['node']} / {executor.met['late answer']}"
        f" / {executor.met['second answer']}",
    )
    return "| " + " | ".join(cells) + " |"


CLUSTER = (
    "| workers | iteration | staleness | median s | results | results/s | of the coordinator's own time"
    " | results a commit | commit, ms: p50, p99 | an iteration's proposals, ms: p50, p99 | idle %"
    " | CPU s a 1,000 results | peak MB | workers lost / nodes lost / late / second answers |"
)


def clusters(args: argparse.Namespace) -> None:
    print(f"{CLUSTER}\n{'| --- ' * CLUSTER.count(' | ')}| --- |")
    for workers in args.workers:
        size = args.size or max(64, workers)
        plan = PlanSettings(trials=args.trials, iteration=size, staleness=args.staleness)
        print(in_fresh_process(cluster, workers, plan, args.seconds, args.directory), flush=True)


def disk(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=args.directory) as directory:
        with (Path(directory) / "probe").open("wb", buffering=0) as file:
            synced = []
            for _ in range(300):
                file.write(bytes(4096))
                begin = time.perf_counter()
                os.fsync(file.fileno())
                synced.append(time.perf_counter() - begin)
        row("fsync of 4 KB, ms: p50, p99 (n = 300)", milliseconds(synced))
        for group in (1, 8, 32, 128, 512):
            commits = durable(Path(directory) / str(group), group, commits=200 if group < 128 else 50)
            row(
                f"results a commit: {group} (n = {len(commits)})",
                f"{group * len(commits) / sum(commits):,.0f} results/s; ms: {milliseconds(commits)}",
            )


def durable(directory: Path, group: int, commits: int) -> list[float]:
    """Seconds of each commit of so many results."""
    run, seconds = facts(group * commits), []
    code = " ".join(f"({n},1,3,{n - 1},0)" for n in range(1, 24)) + " (24,7,0,0,0)"  # a long one
    tasks = [task_of(number, code, 0) for number in range(group * commits)]
    results = [Result(number=task.number, outcome=instant_by_length(task)) for task in tasks]
    with Store.create(directory, {"run": run.model_dump_json()}) as store:
        store.add([Trial(number=t.number, iteration=0, code=code, key=str(t.number)) for t in tasks])
        for first in range(0, len(results), group):
            begin = time.perf_counter()
            store.add(results=results[first : first + group])
            seconds.append(time.perf_counter() - begin)
    return seconds


MOST_FILLED = 100_032  # trials; more are copies of them, with keys of their own


def restart(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=args.directory) as directory:
        for trials in args.restarts:
            run, made = Path(directory) / str(trials), min(trials, MOST_FILLED)
            source = Path(directory) / f"{made} made"
            if not source.exists():
                in_fresh_process(fill_at_random, source, facts(made, "standard"), made)
            if trials > made:
                in_fresh_process(repeat, source, run, trials // made)
            else:
                run = source
            opened, seconds, megabytes, _ = open_store(run)
            row(f"{opened:,} trials opened, folded, counted", f"{seconds:.1f} s, {megabytes} MB")


def repeat(source: Path, target: Path, times: int) -> None:
    """A run that holds the trials and results of another so often."""
    with Store.read(source) as old:
        run, trials, results = facts_of(old), old.trials(), old.results()
    iterations = trials[-1].iteration + 1
    with Store.create(target, {"run": run.model_dump_json()}) as store:
        for copy in range(times):
            first = copy * len(trials)
            changes = (
                {
                    "number": first + t.number,
                    "iteration": copy * iterations + t.iteration,
                    "key": f"{copy} {t.key}",
                    "repeat_of": None if t.repeat_of is None else first + t.repeat_of,
                }
                for t in trials
            )
            store.add(
                [t.model_copy(update=c) for t, c in zip(trials, changes, strict=True)],
                [r.model_copy(update={"number": first + r.number}) for r in results],
            )


class Numbers:
    """Designs that are numbers: asked and told in no time, so that only durations count."""

    start = ()

    def ask(self, _: float, rng: Random, __: object) -> tuple[int, ...]:
        return (rng.getrandbits(60),)

    def tell(self, *_: object) -> None:
        pass

    def epsilon(self, _: float) -> float:
        return 1.0

    def key(self, episode: Sequence[int]) -> str:
        return str(episode[0])

    text = key

    def episode(self, text: str) -> tuple[int, ...]:
        return (int(text),)


def lost(workers: int, size: int, staleness: int, foreseen: bool) -> float:
    """Percent of the time up to the last ask that is idle; a mean over seeds where workers are few."""
    return fmean(idle_percent(workers, size, staleness, foreseen, s) for s in range(1 + 640 // workers))


def idle_percent(workers: int, size: int, staleness: int, foreseen: bool, seed: int) -> float:
    """Of at least 12 iterations, and 12 tasks a worker."""
    seconds, numbers = log_normal(1.0, seed), Numbers()
    cost = {"cost": lambda t: seconds(task_of(t.number, "", 0))} if foreseen else {}
    problem: Problem[Any, Any] = Problem(
        numbers,  # type: ignore[arg-type]
        lambda _: None,
        lambda *_: 0.0,
        **cost,
    )
    executor = Simulated(workers, seconds)
    last = (0.0, 0)

    def report(progress: Progress) -> None:
        nonlocal last
        if len(progress.fold.iterations) > last[1]:
            last = executor.now, len(progress.fold.iterations)

    trials = size * max(12, 12 * workers // size)
    plan = PlanSettings(trials=trials, iteration=size, staleness=staleness)
    search(problem, numbers, executor, Unwritten(), plan, report=report)  # type: ignore[arg-type]
    return 100 * max(0.0, executor.idle(last[0]))


SIZES = (0.25, 0.5, 1, 2, 4)  # of an iteration, in workers


def idle(args: argparse.Namespace) -> None:
    sizes = " | ".join(f"{share:g} x workers" for share in SIZES)
    print(f"| workers | staleness | {sizes} |\n{'| --- ' * (2 + len(SIZES))}|")
    for workers in args.workers:
        for staleness in (0, 1, 2, 3):
            cells = []
            for share in SIZES:
                size = max(1, round(share * workers))
                told = (lost(workers, size, staleness, foreseen) for foreseen in (False, True))
                cells.append(", ".join(f"{value:.1f}" for value in told))
            print(f"| {workers:,} | {staleness} | {' | '.join(cells)} |", flush=True)


def picture(args: argparse.Namespace) -> None:
    """Idle time over the size of an iteration, 1,000 workers, longest first."""
    shares = [2 ** (step / 2) for step in range(-4, 5)]
    series = [
        Series(
            f"staleness {staleness}",
            tuple((share, lost(1000, round(1000 * share), staleness, True)) for share in shares),
        )
        for staleness in (0, 1, 2)
    ]
    title = "Idle time of 1,000 workers, %"
    args.file.write_text(curves_picture(series, title, "trials of an iteration a worker", 560, 300))


def predictor(args: argparse.Namespace) -> None:
    run = facts(20_000, "standard")
    settings = run.settings.model_copy(update={"strategy": "predictor"})
    problem = problem_of(run)
    strategy, fold, told = strategy_of(settings, problem), Fold(), 0
    walks = strategy_of(run.settings.model_copy(update={"strategy": "random"}), problem)
    for designs in (500, 2_000, 8_000):
        asked, _ = ask_iteration(problem, walks, fold, 0, designs - told, 0.0, {}, "")
        fold.add_trials(asked)
        pairs = [
            (problem.mdp.episode(t.code), instant_by_length(task_of(t.number, t.code, 0)).accuracy)
            for t in asked
        ]
        strategy.tell(0, pairs)
        told = designs
        ask_iteration(problem, strategy, fold, 0, 1, 0.5, {}, "")  # takes in what it was told
        for size in (64, 256, 1000):
            share, spent = count(1), []
            for _ in range(args.repeats):
                begin = time.process_time()
                ask_iteration(problem, strategy, fold, 0, size, 0.5 + next(share) / 1000, {}, "")
                spent.append(time.process_time() - begin)
            row(f"{designs:,} designs told, iteration of {size}", f"{quantile(spent, 0.5):.2f} s")


class Section(NamedTuple):
    """A command and the defaults of its options."""

    work: Callable[[argparse.Namespace], None]
    workers: str = ""


SECTIONS = {
    "disk": Section(disk),
    "cluster": Section(clusters, "32,100,320,1000"),
    "restart": Section(restart),
    "idle": Section(idle, "32,1000,10000"),
    "predictor": Section(predictor),
    "picture": Section(picture),
}


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("file", nargs="?", type=Path, help="of `picture`")
    parser.add_argument("--directory", type=Path, help="an existing one on the disk that is measured")
    parser.add_argument("--workers", type=numbers, help="of `cluster` and `idle`, as 32,1000")
    parser.add_argument("--trials", type=int, default=50_000, help="of `cluster`, planned")
    parser.add_argument("--size", type=int, help="of its iterations; without, as many as workers, >= 64")
    parser.add_argument("--staleness", type=int, default=3, help="of `cluster`")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a candidate, the median")
    parser.add_argument("--restarts", type=numbers, default=[10_048, MOST_FILLED], help="trials")
    parser.add_argument("--repeats", type=int, default=3, help="of `predictor`")
    args = parser.parse_args()
    section = SECTIONS[args.section]
    args.workers = args.workers or numbers(section.workers or "1")
    if (args.section == "picture") != (args.file is not None):
        parser.error("picture, and no other section, takes a FILE.svg")
    section.work(args)


if __name__ == "__main__":
    main()
