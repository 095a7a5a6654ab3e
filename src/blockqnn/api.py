"""What Python users call: `search` and `train`, and the run that a search leaves."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockqnn.config import merged
from blockqnn.report import rows
from blockqnn.report.live import LiveLine
from blockqnn.report.target import Target, find
from blockqnn.runtime.facts import RunFacts, problem_of, strategy_of
from blockqnn.runtime.lazy import LazyExecutor
from blockqnn.runtime.search import Executor, Progress
from blockqnn.runtime.search import search as run_loop
from blockqnn.runtime.store import is_run
from blockqnn.setup import OpenRun, create_run, known_measurements, refuse_changed_data, reopen_run
from blockqnn.space.code import Block

if TYPE_CHECKING:
    from blockqnn.training import Model

EVALUATOR = "blockqnn.evaluation.early_stop:make_evaluator"


@dataclass(frozen=True)
class Run:
    """A search in its directory; every question reads the store anew."""

    path: Path

    def best(self) -> rows.Entry | None:
        """The evaluated trial of highest reward."""
        return next(iter(self.top(1)), None)

    def top(self, n: int = 10) -> list[rows.Entry]:
        """The n evaluated trials of highest reward."""
        return rows.read(self.path).entries()[:n]

    def status(self) -> dict[str, Any]:
        """Counts, failures, best and trajectory, as `blockqnn status --json` prints them."""
        return rows.read(self.path).status()

    def resume(self, **changes: Any) -> "Run":
        """Goes on with it; see `search` for what may change."""
        return search(run=self.path, **changes)


def search(
    data: str | os.PathLike[str] | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    trials: int | None = None,
    strategy: str | None = None,
    executor: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    max_params: int | None = None,
    max_flops: int | None = None,
    source: str | os.PathLike[str] | None = None,
    report: Callable[[Progress], None] | None = None,
    live: bool = False,
) -> Run:
    """Searches a block for the data, or goes on with the run in the directory `run`.

    `settings` are nested changes to the preset, e.g. {"plan": {"iteration": 16}}; the named
    arguments are short for the most used ones. `source` is another run of the same protocol whose
    measurements count as evaluations. On resume what is left out is taken from the run; only
    workers, executor, device (of the same kind) and trials (upwards) may differ.

    Raises InputError for a user's mistake, NoWorkerLeft when no worker can go on. After
    KeyboardInterrupt the run can be resumed.
    """
    named = {
        "strategy": strategy,
        "source": None if source is None else str(Path(source).resolve()),
        "data": {"source": _source(data)},
        "plan": {"seed": seed, "trials": trials},
        "space": {"max_params": max_params, "max_flops": max_flops},
        "execution": {"executor": executor, "workers": workers, "device": device},
    }
    changes = merged(settings or {}, _given(named))
    if run is not None and is_run(Path(run)):
        opened = reopen_run(Path(run), preset, changes)
    else:
        opened = create_run(None if run is None else Path(run), preset, changes)
    with opened.store as store:
        try:
            _search(opened, report, live)
        except KeyboardInterrupt:
            raise Interrupted(store.directory) from None
        return Run(store.directory)


class Interrupted(KeyboardInterrupt):
    """The user stopped a search; the run in `directory` can go on."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory


def train(
    target: str | Block,
    data: str | os.PathLike[str] | None = None,
    *,
    preset: str | None = None,
    skeleton: str | None = None,
    repeats: tuple[int, ...] | None = None,
    widths: tuple[int, ...] | None = None,
    seeds: int = 1,
    device: str = "auto",
    out: str | os.PathLike[str] | None = None,
) -> "Model":
    """Trains a code, a name or a run's trial (RUN, RUN:TRIAL), and tests it once a seed.

    What is left out is taken from the run, else: CIFAR's skeleton, digits, and the preset that
    fits the data. Raises InputError for a user's mistake, TrainingFailed when nothing is learned.
    """
    from blockqnn.training import train_target

    found = Target(target) if isinstance(target, Block) else find(target)
    return train_target(
        found,
        source=_source(data),
        preset=preset,
        skeleton=found.skeleton(skeleton, repeats, widths),
        seeds=seeds,
        device=device,
        out=None if out is None else Path(out),
    )


def _search(opened: OpenRun, report: Callable[[Progress], None] | None, live: bool) -> None:
    store, facts, planned = opened
    problem = problem_of(facts)
    strategy = strategy_of(facts.settings, problem)
    plan = facts.settings.plan.model_copy(update={"trials": planned})
    line = LiveLine(facts, planned) if live else None
    if line:
        line.note(f"run {store.directory}: {_summary(facts, planned)}")
    executor = LazyExecutor(lambda: _executor(facts))
    try:
        run_loop(
            problem,
            strategy,
            executor,
            store,
            plan,
            known=known_measurements(facts),
            source=facts.settings.source or "",
            report=report or line or (lambda _: None),
        )
    finally:
        executor.close()
        if line:
            line.close()


def _summary(facts: RunFacts, planned: int) -> str:
    """What was decided before the search began, also where the user named nothing."""
    image, settings = facts.data.image, facts.settings
    return (
        f"{facts.data.name} ({facts.data.sizes[0]} images of {image.height}x{image.width} to train on),"
        f" preset {settings.preset}, {settings.strategy}, {planned} trials, seed {settings.plan.seed},"
        f" {facts.device}"
    )


def _executor(facts: RunFacts) -> Executor:
    execution = facts.settings.execution
    refuse_changed_data(facts)
    specification = {
        "settings": facts.settings.model_dump_json(),
        "digest": facts.data.digest,
        "device": facts.device,
    }
    if execution.executor == "serial":
        from blockqnn.runtime.serial import SerialExecutor
        from blockqnn.runtime.worker import evaluator

        return SerialExecutor(evaluator(EVALUATOR, specification))
    from blockqnn.runtime.local import LocalExecutor

    return LocalExecutor(
        EVALUATOR,
        specification,
        workers=execution.workers,
        timeout=execution.timeout,
        memory=execution.memory,
    )


def _source(data: str | os.PathLike[str] | None) -> str | None:
    if data is None or data == "digits" or str(data).startswith("hf:"):
        return data if data is None else str(data)
    return str(Path(data).resolve())


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The nested values that are not None."""
    given = {k: _given(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    return {k: v for k, v in given.items() if v is not None and v != {}}
