"""How many results a second come through Ray, into the store and the agent.

    PYTHONPATH=src:benchmarks python benchmarks/ray_throughput.py [--workers 1000] [--results 20000]

One node of a private cluster stands for so many workers: its actor sleeps where they would train, for
times spread log-normally around the given seconds. All else is what a search does: Ray's calls, a
bridge process, random blocks of up to 23 layers, every result durable in a store. By `--iteration`
and `--staleness` more trials are in flight than workers, so that neither the slowest candidates of an
iteration nor its proposals hold up many. `ideal` is what workers that never wait could give.
"""

import argparse
import asyncio
import math
import resource
import tempfile
import time
from contextlib import closing
from pathlib import Path
from random import Random

from blockqnn.records import Observation, Task
from blockqnn.runtime.cluster.executor import RayExecutor
from blockqnn.runtime.cluster.messages import Opening
from blockqnn.runtime.cluster.node import Node
from blockqnn.runtime.facts import problem_of
from blockqnn.runtime.search import search
from blockqnn.runtime.store import Store
from blockqnn.runtime.verdicts import Ending
from blockqnn.strategy.random_search import RandomSearch
from coordinator import facts, instant

SPREAD = 0.3  # of the logarithm of a training's time


class SleepingNode(Node):
    """A node whose workers take their time and nothing else."""

    def __init__(self, evaluator, specification, *rest):
        super().__init__(evaluator, specification, *rest)
        self._seconds = specification["seconds"]

    async def attempt(self, task: str) -> str:
        order = Task.model_validate_json(task)
        seconds = self._seconds * math.exp(Random(order.seed).gauss(0, SPREAD))
        await asyncio.sleep(seconds)
        observed = Observation(seconds=seconds, worker=str(order.number))
        return Ending(number=order.number, outcome=instant(order), observed=observed).model_dump_json()


def main() -> None:
    parser = argparse.ArgumentParser(description="Results a second through Ray.")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--results", type=int, default=20_000)
    parser.add_argument("--iteration", type=int, default=1000, help="its trials")
    parser.add_argument("--staleness", type=int, default=7)
    parser.add_argument(
        "--max-params",
        type=int,
        default=10**9,
        help="with 10 million, 3 of 4 are drawn again",
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="median of a pretended training")
    parser.add_argument("--directory", help="where the store lies; else a temporary directory")
    options = parser.parse_args()
    run = facts(options.results)
    plan = run.settings.plan.model_copy(
        update={"iteration": options.iteration, "staleness": options.staleness}
    )
    space = run.settings.space.model_copy(update={"max_params": options.max_params})
    problem = problem_of(
        run.model_copy(update={"settings": run.settings.model_copy(update={"space": space})})
    )
    opening = Opening(
        evaluator="",
        specification={"seconds": options.seconds},
        address=None,
        unauthenticated=False,
        workers=options.workers,
        per_gpu=None,
        timeout=3600.0,
        memory=None,
        freight=None,
        node="ray_throughput:SleepingNode",
    )
    begin = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=options.directory) as directory,
        Store.create(Path(directory) / "run", {"run": run.model_dump_json()}) as store,
        closing(RayExecutor(opening, print)) as executor,
    ):
        print(f"ready after {time.monotonic() - begin:.1f} s")
        begin, cpu = time.monotonic(), time.process_time()
        fold = search(problem, RandomSearch(problem.mdp), executor, store, plan)
        wall, cpu = time.monotonic() - begin, time.process_time() - cpu
    evaluated = sum(trial.repeat_of is None for trial in fold.trials)
    mean = options.seconds * math.exp(SPREAD**2 / 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate, ideal = evaluated / wall, options.workers / mean
    print(
        f"{options.workers} workers, {evaluated} results in {wall:.1f} s: {rate:.0f} a second"
        f" (ideal {ideal:.0f}); the coordinator's processor {1000 * cpu / evaluated:.2f} ms each,"
        f" its peak {peak:.0f} MB"
    )


if __name__ == "__main__":
    main()
