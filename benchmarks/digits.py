"""Candidates an hour on two cores: the whole search beside a plain loop that trains the same blocks.

    PYTHONPATH=src python benchmarks/digits.py [--trials 64] [--workers 2] [--repeats 3] [--out FILE]
    PYTHONPATH=src python benchmarks/digits.py --preset demo [--trials 260]

The recipe bench-digits-v1 is frozen: data digits, blocks of at most 8 layers, skeleton small (widths 16
and 32), 216 steps of 64 images by Adam in float32, then the whole validation part.

    search  `blockqnn.search`, local executor, a fixed seed: start-up of the workers, store, agent,
            repeats and restarts included; counted are the candidates that were trained and measured
    plain   loop c of benchmarks/candidates.py on those same candidates, each for the steps and at
            the learning rates of the training that counted, and their validation; divided over as many
            processes of one thread, each of which starts once (start-up included), with the C library's
            own way to keep freed memory

Both are timed from the call to the last result, the search to its end, in turns. Printed are evaluations
an hour (median of the repeats, least and most), their ratio within a repeat, and the mean seconds of a
candidate in its process, where start-up does not count (the search's with restarts and failures). With
--preset the search of that preset is measured alone.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from blockqnn import search
from blockqnn.config import DataSettings, Recipe
from blockqnn.data.dataset import Dataset, load
from blockqnn.evaluation.device import fingerprint, use_one_thread
from blockqnn.evaluation.images import on_device
from blockqnn.evaluation.optimizer import learning_rate_at
from blockqnn.evaluation.train import score
from blockqnn.network.plan import Skeleton, plan_network
from blockqnn.records import Measurement
from blockqnn.report import rows
from blockqnn.space.code import parse
from plain_loop import in_memory, plain_network

NAME = "bench-digits-v1"
TRIALS, SEED, STEPS, BATCH = 64, 0, 216, 64
SKELETON = Skeleton(("conv",), (16, 32), (1, 1))


class Candidate(NamedTuple):
    """What a search trained, for how many steps in the training that counted, and what that gave."""

    code: str
    steps: int
    restarts: int  # before it, each at a lower learning rate
    accuracy: float  # percent of the validation part


class Searched(NamedTuple):
    seconds: float  # of the whole call
    candidates: tuple[Candidate, ...]
    trial_seconds: float  # mean of the trials that were trained, failed ones included


def settings_of(steps: int) -> dict[str, Any]:
    """The frozen recipe, but for the number of steps, as changes of the preset small."""
    recipe = {"steps": steps, "batch": BATCH, "optimizer": "adam", "learning_rate": 1e-3}
    recipe |= {"precision": "float32"}
    return {"space": {"max_layers": 8}, "skeleton": SKELETON, "recipe": recipe}


def searched(preset: str, settings: dict[str, Any], trials: int | None, workers: int) -> Searched:
    """A search of the digits in a directory that is not kept."""
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.perf_counter()
        run = search(
            "digits",
            run=Path(scratch) / "run",
            preset=preset,
            settings=settings,
            seed=SEED,
            trials=trials,
            executor="local",
            workers=workers,
            device="cpu",
        )
        seconds = time.perf_counter() - begin
        return Searched(seconds, *_trained(run.path))


def _trained(run: Path) -> tuple[tuple[Candidate, ...], float]:
    """The measured candidates of a finished run, and the mean seconds of its trainings."""
    view = rows.read(run)
    own = [trial for trial in view.fold.trials if trial.repeat_of is None]
    outcomes = [(trial.code, view.fold.outcome(trial)) for trial in own]
    found = tuple(
        Candidate(c, o.steps, o.restarts, o.accuracy) for c, o in outcomes if isinstance(o, Measurement)
    )
    return found, view.seconds / len(own)


class Plain(NamedTuple):
    """What a plain loop made of a candidate."""

    seconds: float  # in its process
    accuracy: float  # percent of the validation part


def plainly_trained(candidates: Sequence[Candidate], workers: int) -> tuple[float, list[Plain]]:
    """Seconds until plain loops have trained all candidates, from before their processes start."""
    begin = time.perf_counter()
    with ProcessPoolExecutor(workers, get_context("spawn"), use_one_thread) as processes:
        trained = list(processes.map(trained_plainly, candidates))
        return time.perf_counter() - begin, trained


def trained_plainly(candidate: Candidate) -> Plain:
    """Trains and validates one candidate in this process."""
    begin = time.perf_counter()
    dataset = _digits()
    plan = plan_network(parse(candidate.code), SKELETON, dataset.image, len(dataset.classes))
    network = plain_network(plan, "cpu")
    recipe = Recipe(**settings_of(candidate.steps)["recipe"])
    base = recipe.learning_rate * recipe.restart_factor**candidate.restarts

    def rate(progress: float) -> float:
        return learning_rate_at(progress, recipe, base)

    loop = in_memory(network, dataset, "cpu", BATCH, varied=False, rate=rate)
    loop(candidate.steps, lambda _step, _progress: None)
    accuracy = score(network, on_device(dataset.validation, dataset, "cpu"), "accuracy")
    return Plain(time.perf_counter() - begin, accuracy)


@cache
def _digits() -> Dataset:
    return load(DataSettings(source="digits"))


def repeat(options: argparse.Namespace) -> dict[str, Any]:
    """One row: the search, and the plain loops unless a preset is measured."""
    settings = {} if options.preset else settings_of(options.steps)
    found = searched(options.preset or "small", settings, options.trials, options.workers)
    count = len(found.candidates)
    row = {
        "recipe": options.preset or NAME,
        "steps": None if options.preset else options.steps,
        "workers": options.workers,
        "evaluations": count,
        "search_seconds": found.seconds,
        "search_per_hour": 3600 * count / found.seconds,
        "trial_seconds": found.trial_seconds,
        "search_accuracy": fmean(candidate.accuracy for candidate in found.candidates),
    }
    if options.preset:
        return row
    seconds, trained = plainly_trained(found.candidates, options.workers)
    return row | {
        "plain_seconds": seconds,
        "plain_per_hour": 3600 * count / seconds,
        "search/plain": seconds / found.seconds,
        "plain_trial_seconds": fmean(plain.seconds for plain in trained),
        "plain_accuracy": fmean(plain.accuracy for plain in trained),
    }


def print_rows(found: Sequence[dict[str, Any]]) -> None:
    first = found[0]
    print(f"{first['recipe']}: {first['evaluations']} evaluations, {first['workers']} workers,")
    for key, name in (
        ("search_per_hour", "evaluations an hour, search"),
        ("plain_per_hour", "evaluations an hour, plain loop"),
        ("search/plain", "search over plain loop"),
        ("trial_seconds", "seconds of a candidate, search"),
        ("plain_trial_seconds", "seconds of a candidate, plain loop"),
        ("search_accuracy", "mean accuracy, %, search"),
        ("plain_accuracy", "mean accuracy, %, plain loop"),
    ):
        if key in first:
            values = [row[key] for row in found]
            shown = f"{median(values):,.2f} [{min(values):,.2f}, {max(values):,.2f}]"
            print(f"  {name:34} {shown}")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Candidates an hour of the whole search on digits.")
    parser.add_argument("--trials", type=int, help=f"{TRIALS}, or those of the preset")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS, help="other than the recipe's, for a trial")
    parser.add_argument("--preset", choices=("demo",), help="measure its search alone")
    parser.add_argument("--out", type=Path, help="each finished row is added to this file as JSON")
    options = parser.parse_args(arguments)
    if options.trials is None and not options.preset:
        options.trials = TRIALS
    return options


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    _digits()  # prepared once on this machine, before anything is timed
    stamp = {"machine": fingerprint("cpu"), "date": time.strftime("%F")}
    found = []
    for _ in range(options.repeats):
        found.append(repeat(options))
        if options.out:
            with options.out.open("a") as file:
                file.write(json.dumps(found[-1] | stamp) + "\n")
    print_rows(found)


if __name__ == "__main__":
    main()
