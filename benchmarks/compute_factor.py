"""How much less a search costs than training every candidate in full, and what saves how much.

    PYTHONPATH=src python benchmarks/compute_factor.py RUN --data SOURCE --widths 32,64,128 [--estimate]
    PYTHONPATH=src python benchmarks/compute_factor.py RUN --data SOURCE --widths 32,64 --whole 3
    PYTHONPATH=src python benchmarks/compute_factor.py RUN --table

The plain way trains every proposed trial of the run, repeats too, as a whole network for the full
recipe's number of epochs, with the loop that a user would write (plain_loop.py: a DataLoader, float32).
A whole network is the block with the widths of a final training (--widths) and as many blocks a stage
as 10 million parameters allow, four at most: the paper's own limit and depth. (Four of any random block
are up to 1e13 parameters, so a plain way without a limit could not be gone.) From there to the search
one thing is changed at a time:

    early stop    the run's brief training instead of the full one      same network, same loop
    block         the search's skeleton instead of the whole network    brief training, same loop
    reuse         each network once instead of each trial               the run's own recorded seconds
    speed         `fit`, as the search calls it, instead of the loop    search's skeleton, brief training

Candidates are drawn from the run's trained networks (seeded). A training's seconds are its steps times
the seconds of a step: windows of steps, each way in a process of its own, in turns, so that what else
the machine does falls on all of them. A factor is the ratio of the sums over the candidates; intervals
are bootstraps over them. Nothing is added for building networks and scoring them, on either side.

`--whole K` trains K of the candidates in all four ways from beginning to end, the last one by the
evaluator of the search (with scoring and restarts), and so shows whether time is linear in steps and
the product is what is saved. One thread each on a CPU; device-hours are core-hours there. Each finished
row goes to results/compute-factor.jsonl; started again, the script goes on.
"""

import argparse
import gc
import json
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from apart import Apart, Failed
from blockqnn.config import RECIPES, DataSettings, Settings
from blockqnn.data.dataset import load
from blockqnn.evaluation.device import fingerprint, resolve_device, resolve_precision, use_one_thread
from blockqnn.evaluation.early_stop import EarlyStopEvaluator
from blockqnn.evaluation.length import batches_per_epoch
from blockqnn.figures.tables import made
from blockqnn.network.plan import Image, Limits, NetworkPlan, OverLimit, Skeleton, plan_network
from blockqnn.quantity import duration
from blockqnn.records import Task
from blockqnn.report.cost import cost
from blockqnn.report.resampling import bootstrap, percentiles
from blockqnn.report.rows import Entry, RunView, read
from blockqnn.space.code import Block
from candidates import loop_of, window

ROWS = Path(__file__).resolve().parents[1] / "results" / "compute-factor.jsonl"
WAYS = {  # the loop of benchmarks/candidates.py, and whether it trains the whole network
    "plain whole": ("a", True),
    "plain block": ("a", False),
    "fit block": ("b", False),
    "fit whole": ("b", True),
}
FINALISTS = 5  # that a search would train fully in the end
WARMUP = 1  # steps before each window
ASSUMED = 2e10  # FLOP/s of one core, for the estimate alone


# Its place in the sample, and its networks: the whole one (True) and that of the search.
Candidate = tuple[int, Entry, dict[bool, NetworkPlan] | None]


class Stages(NamedTuple):
    """Seconds of one candidate: the plain way's, and after each change; `final`: in full by `fit`."""

    full: float
    brief: float
    block: float
    ours: float
    final: float = 0.0


class Way:
    """One loop in a process of its own."""

    def __init__(self, loop: str, device: str, data: DataSettings, options: argparse.Namespace) -> None:
        if device == "cpu":
            use_one_thread()
        self._name, self._device, self._options = loop, device, options
        self._dataset = load(data)

    def begin(self, plan: NetworkPlan) -> None:
        self._loop = None
        gc.collect()
        self._loop = loop_of(self._name, plan, self._dataset, self._device, self._options)
        self._step = window(self._loop, WARMUP, 1, self._device)

    def window(self, seconds: float) -> float:
        """Seconds of a step, over about so many seconds."""
        assert self._loop
        steps = max(1, round(seconds / self._step))
        self._step = window(self._loop, WARMUP, steps, self._device) / steps
        return self._step

    def train(self, plan: NetworkPlan, steps: int) -> float:
        """Seconds of a whole training, the network's building included."""
        self._loop = None
        begin = time.perf_counter()
        window(
            loop_of(self._name, plan, self._dataset, self._device, self._options),
            1,
            steps - 1,
            self._device,
        )
        return time.perf_counter() - begin

    def evaluate(self, settings: Settings, code: str) -> tuple[float, int]:
        """Seconds of the search's own evaluation, and how often it began again."""
        evaluator = EarlyStopEvaluator(settings, self._dataset, self._device)
        begin = time.perf_counter()
        outcome = evaluator(Task(number=0, code=code, seed=0))
        return time.perf_counter() - begin, getattr(outcome, "restarts", 0)


def whole_network(
    block: Block, skeleton: Skeleton, image: Image, classes: int, options: argparse.Namespace
) -> NetworkPlan | None:
    """The deepest within the limit; None where a single block a stage is over it."""
    wide = skeleton.with_widths(options.widths)
    for repeats in range(options.repeats, 0, -1):
        try:
            limits = Limits(options.max_params)
            return plan_network(block, wide.with_repeats((repeats,)), image, classes, limits)
        except OverLimit:
            continue
    return None


def measured(
    ways: Mapping[str, Apart], plans: Mapping[bool, NetworkPlan], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds of a step by way: the median of windows that take turns, the least, the most."""
    names = list(ways)
    found: dict[str, list[float]] = {name: [] for name in names}
    for name, way in ways.items():
        way(Way.begin, plans[WAYS[name][1]])
    for number in range(options.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(ways[name](Way.window, options.seconds))
    return {name: [median(values), min(values), max(values)] for name, values in found.items()}


def trained(
    ways: Mapping[str, Apart],
    plans: Mapping[bool, NetworkPlan],
    settings: Settings,
    code: str,
    steps: Mapping[str, int],
) -> dict[str, Any]:
    """Seconds of whole trainings; our evaluation's before and after them, and their mean."""
    before, restarts = ways["fit block"](Way.evaluate, settings, code)
    found = {
        "brief": ways["plain whole"](Way.train, plans[True], steps["brief"]),
        "block": ways["plain block"](Way.train, plans[False], steps["brief"]),
        "full": ways["plain whole"](Way.train, plans[True], steps["full"]),
    }
    after, _ = ways["fit block"](Way.evaluate, settings, code)
    return {"whole": {**found, "ours": (before + after) / 2}, "restarts": restarts}


def projected(row: Mapping[str, Any]) -> Stages:
    """Steps times the seconds of a step."""
    step = {name: values[0] for name, values in row["step_seconds"].items()}
    full, brief = row["steps"]["full"], row["steps"]["brief"]
    return Stages(
        full * step["plain whole"],
        brief * step["plain whole"],
        brief * step["plain block"],
        brief * step["fit block"],
        full * step["fit whole"],
    )


def factors(candidates: Sequence[Stages], reuse: float) -> dict[str, float]:
    """Ratios of sums over the candidates, and their product."""
    full, brief, block, ours, _ = (sum(values) for values in zip(*candidates, strict=True))
    each = {
        "early stop": full / brief,
        "block": brief / block,
        "reuse": reuse,
        "speed": block / ours,
    }
    return each | {"product": full / ours * reuse}


def with_finalists(candidates: Sequence[Stages], reuse: float, evaluated: int) -> float:
    """The factor where the search trains its finalists in full too, by `fit`, at the mean's cost."""
    full, ours, final = (
        fmean(getattr(c, name) for c in candidates) for name in ("full", "ours", "final")
    )
    return evaluated * reuse * full / (evaluated * ours + min(FINALISTS, evaluated) * final)


def reuse_of(run: RunView) -> float:
    """Seconds that the run's trials would have taken, each trained, over those that they took."""
    spent = cost(run.fold)
    return (spent.seconds + spent.saved) / spent.seconds


def table(run: RunView, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Table 4 with this run, and its factor as far as there are rows."""
    yield from made("4", [str(run.directory)]).lines()
    setups = {json.dumps(row["setup"]): row["setup"] for row in rows}
    for key, setup in setups.items():
        own = [row for row in rows if json.dumps(row["setup"]) == key]
        yield ""
        yield from _factors_told(run, setup, own)


def _factors_told(
    run: RunView, setup: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    done = [row for row in rows if "step_seconds" in row]
    yield (
        f"{setup['run']} against training every trial in full ({setup['full']}, widths"
        f" {'/'.join(map(str, setup['widths']))}, at most {setup['repeats']} blocks a stage and"
        f" {setup['max_params'] / 1e6:g}M parameters), on {setup['data']}, {setup['device']}, `fit` in"
        f" {setup['precision']}; machine's load {_loads(done)}"
    )
    left_out = len(rows) - len(done)
    if left_out:
        yield f"left out: {left_out} ({'; '.join(sorted({r['failed'] for r in rows if 'failed' in r}))})"
    if not done:
        return
    reuse, candidates = reuse_of(run), [projected(row) for row in done]
    whole = [(Stages(**row["whole"]), projected(row)) for row in done if "whole" in row]
    found = factors(candidates, reuse)
    by_draw = [factors([candidates[i] for i in draw], reuse) for draw in bootstrap(len(candidates), 0)]
    heads = f"{'factor':12} {f'{len(done)} candidates, by steps':30}"
    if whole:
        heads += f" {f'{len(whole)} of them, whole trainings':30} the same {len(whole)}, by steps"
    yield heads
    for name, value in found.items():
        cell = f"{value:.2f}"
        if name != "reuse" and len(candidates) > 1:
            low, high = _interval([draw[name] for draw in by_draw])
            cell += f" [{low:.2f}, {high:.2f}]"
        line = f"{name:12} {cell:30}"
        if whole:
            direct, steps = (factors([pair[i] for pair in whole], reuse)[name] for i in (0, 1))
            line += f" {f'{direct:.2f}':30} {steps:.2f}"
        yield line
    counts = run.status()["trials"]
    yield (
        f"reuse: {counts['finished']:,} trials of {counts['evaluated']:,} networks trained;"
        " weighed by what the networks took"
    )
    yield (
        f"the run's {run.seconds / 3600:,.2f} device-hours stand for"
        f" {run.seconds / 3600 * found['product']:,.0f} of the plain way"
    )
    finals = with_finalists(candidates, reuse, counts["evaluated"])
    yield f"with its {FINALISTS} best trained in full by `fit` as well, the factor is {finals:.1f}"


def _loads(rows: Sequence[Mapping[str, Any]]) -> str:
    loads = [row["load"] for row in rows] or [0.0]
    return f"{min(loads):.1f} to {max(loads):.1f}"


def _interval(values: Sequence[float]) -> tuple[float, float]:
    import numpy as np

    return percentiles(np.array(values))


def _setup(run: RunView, device: str, options: argparse.Namespace) -> dict[str, Any]:
    """What rows that may be put together share."""
    return {
        "run": run.directory.name,
        "data": Path(options.data).name,
        "full": f"{options.epochs} epochs",
        "batch": options.batch,
        "widths": list(options.widths),
        "repeats": options.repeats,
        "max_params": options.max_params,
        "precision": options.precision,
        "device": device,
        "machine": fingerprint(device),
    }


def _steps(run: RunView, epochs: int) -> dict[str, int]:
    recipe, images = run.facts.settings.recipe, run.facts.data.sizes[0]
    per_epoch = batches_per_epoch(recipe, images)
    return {"full": epochs * per_epoch, "brief": recipe.steps or recipe.epochs * per_epoch}


def _estimate(todo: Sequence[Candidate], steps: Mapping[str, int], options: argparse.Namespace) -> float:
    """Seconds, at so many FLOP/s as one core may have."""
    found = 0.0
    for place, _, plans in todo:
        if plans is None:
            continue
        step = {whole: 3 * plan.flops * options.batch / ASSUMED for whole, plan in plans.items()}
        for _, whole in WAYS.values():
            found += 2 * step[whole]
            found += options.rounds * (step[whole] + max(options.seconds, step[whole]))
        if place < options.whole:
            found += sum(steps.values()) * step[True] + 3 * steps["brief"] * step[False]
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    """Of a candidate that was measured again, its last."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return list({(json.dumps(row["setup"]), row["trial"]): row for row in rows}.values())


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a search costs beside training every candidate.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", default="digits", help="images of the run's shape")
    parser.add_argument("--sample", type=int, default=20, help="candidates")
    parser.add_argument("--whole", type=int, default=0, help="of them, trained from beginning to end")
    parser.add_argument("--widths", type=_numbers, help="of whole networks; else twice the search's")
    parser.add_argument("--repeats", type=int, default=4, help="blocks a stage of them, at most")
    parser.add_argument("--max-params", type=int, default=10_000_000)
    parser.add_argument("--preset", choices=RECIPES, default="modern", help="whose epochs are full ones")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--precision", help="of `fit`; else the run's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a window")
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--estimate", action="store_true", help="how long it takes; measures nothing")
    parser.add_argument("--table", action="store_true", help="of the rows there are; measures nothing")
    return parser.parse_args(arguments)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    run = read(options.run)
    if options.table:
        rows = [row for row in _rows(options.rows) if row["setup"]["run"] == run.directory.name]
        print("\n".join(table(run, rows)))
        return
    settings, device = run.facts.settings, resolve_device(options.device)
    options.batch, options.workers = settings.recipe.batch, 0  # processes of the DataLoader
    options.epochs = options.epochs or RECIPES[options.preset].epochs
    options.widths = options.widths or tuple(2 * width for width in settings.skeleton.widths)
    options.precision = resolve_precision(options.precision or settings.recipe.precision, device)
    recipe = settings.recipe.model_copy(update={"precision": options.precision})
    settings = settings.model_copy(update={"recipe": recipe})
    data = settings.data.model_copy(update={"source": options.data})
    dataset = load(data)
    if dataset.image != run.facts.data.image:
        raise SystemExit(f"{options.data} has {dataset.image}, the run {run.facts.data.image}")
    setup, steps = _setup(run, device, options), _steps(run, options.epochs)
    entries = sorted(run.entries(), key=lambda entry: entry.trial)
    drawn = random.Random(0).sample(entries, min(options.sample, len(entries)))
    known = {row["trial"]: row for row in _rows(options.rows) if row["setup"] == setup}
    todo: list[Candidate] = []
    for place, entry in enumerate(drawn):
        there = known.get(entry.trial)
        if there and ("failed" in there or place >= options.whole or "whole" in there):
            continue
        block, classes = run.facts.block(entry.code), len(dataset.classes)
        whole = whole_network(block, settings.skeleton, dataset.image, classes, options)
        plan = plan_network(block, settings.skeleton, dataset.image, classes)
        todo.append((place, entry, {True: whole, False: plan} if whole else None))
    seconds = _estimate(todo, steps, options)
    print(f"{len(todo)} candidates to measure, about {duration(seconds)} on an idle core", flush=True)
    if options.estimate:
        return
    begin = time.monotonic()
    with ExitStack() as processes:
        ways = {
            name: processes.enter_context(Apart(Way, loop, device, data, options))
            for name, (loop, _) in WAYS.items()
        }
        for count, (place, entry, plans) in enumerate(todo, 1):
            row: dict[str, Any] = {"setup": setup, "trial": entry.trial, "code": entry.code}
            row |= {"steps": steps, "date": time.strftime("%F"), "load": os.getloadavg()[0]}
            if plans is None:
                row["failed"] = "over the limit with one block a stage"
            else:
                row |= {"params": [plans[b].params for b in (False, True)]}
                row |= {"flops": [plans[b].flops for b in (False, True)]}
                try:
                    row["step_seconds"] = measured(ways, plans, options)
                    if place < options.whole:
                        row |= trained(ways, plans, settings, entry.code, steps)
                except Failed as failed:
                    row = {k: v for k, v in row.items() if k != "step_seconds"} | {"failed": str(failed)}
            with options.rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
            left = (time.monotonic() - begin) / count * (len(todo) - count)
            told = row.get("failed") or {k: f"{v[0]:.4f}" for k, v in row["step_seconds"].items()}
            print(f"trial {entry.trial}: {told}, about {duration(left)} left", flush=True)
    rows = [row for row in _rows(options.rows) if row["setup"] == setup]
    print("\n".join(table(run, rows)))


if __name__ == "__main__":
    main()
