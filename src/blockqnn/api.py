"""What Python users call: `search` and `train`, and the run that a search leaves."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockqnn import __version__
from blockqnn.config import (
    Settings,
    changed,
    differences,
    merged,
    preset_for,
    resolve,
    write_yaml,
)
from blockqnn.errors import InputError
from blockqnn.network.plan import OverLimit, plan_network
from blockqnn.records import Measurement
from blockqnn.report import rows
from blockqnn.report.live import LiveLine
from blockqnn.report.target import Target, find
from blockqnn.runtime.facts import DataFacts, RunFacts, problem_of, strategy_of
from blockqnn.runtime.search import Executor, Progress
from blockqnn.runtime.search import search as run_loop
from blockqnn.runtime.store import CONFIG, Store, is_run, refuse_unless_fresh
from blockqnn.space.code import Block, parse

if TYPE_CHECKING:
    from blockqnn.training import Model

EVALUATOR = "blockqnn.evaluation.early_stop:make_evaluator"
_FREE_ON_RESUME = ("execution.executor", "execution.workers", "execution.timeout", "execution.memory")


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
        store, facts, planned = _reopened(Path(run), preset, changes)
    else:
        store, facts, planned = _created(None if run is None else Path(run), preset, changes)
    with store:
        try:
            _search(store, facts, planned, report, live)
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


def _search(
    store: Store,
    facts: RunFacts,
    planned: int,
    report: Callable[[Progress], None] | None,
    live: bool,
) -> None:
    problem = problem_of(facts)
    strategy = strategy_of(facts.settings, problem)
    plan = facts.settings.plan.model_copy(update={"trials": planned})
    known, source = _known_measurements(facts)
    line = LiveLine(facts, planned) if live else None
    if line:
        line.note(f"run {store.directory}: {_summary(facts, planned)}")
    executor = _LazyExecutor(lambda: _executor(facts))
    try:
        run_loop(
            problem,
            strategy,
            executor,
            store,
            plan,
            known=known,
            source=source,
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


class _LazyExecutor:
    """Starts the real executor at the first need: a finished run needs no worker."""

    def __init__(self, start: Callable[[], Executor]) -> None:
        self._start = start
        self._executor: Executor | None = None

    @property
    def _started(self) -> Executor:
        if self._executor is None:
            self._executor = self._start()
        return self._executor

    @property
    def free(self) -> int:
        return self._started.free

    def submit(self, task: Any) -> None:
        self._started.submit(task)

    def wait(self) -> Any:
        return self._started.wait()

    def close(self) -> None:
        if self._executor is not None:
            self._executor.close()


def _executor(facts: RunFacts) -> Executor:
    execution = facts.settings.execution
    _refuse_changed_data(facts)
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


def _refuse_changed_data(facts: RunFacts) -> None:
    from blockqnn.evaluation.data import load

    if load(facts.settings.data).digest != facts.data.digest:
        raise InputError(f"data {facts.settings.data.source}: changed since the run began")


def _created(
    directory: Path | None, preset: str | None, changes: Mapping[str, Any]
) -> tuple[Store, RunFacts, int]:
    """A new run: everything is checked before anything is written."""
    from blockqnn.evaluation.data import load

    if directory is not None:
        refuse_unless_fresh(directory)
    settings = resolve(preset or "standard", changes)
    dataset = load(settings.data)
    if preset is None:
        side = max(dataset.image.height, dataset.image.width)
        settings = resolve(preset_for(side, len(dataset.train)), changes)
    from blockqnn.evaluation.device import resolve_device

    plan = settings.plan.model_copy(update={"iteration": settings.plan.iteration_size})
    facts = RunFacts(
        version=__version__,
        settings=settings.model_copy(update={"plan": plan}),
        data=DataFacts(
            name=dataset.name,
            digest=dataset.digest,
            image=dataset.image,
            classes=dataset.classes,
            sizes=(len(dataset.train), len(dataset.validation), len(dataset.test)),
            chance=dataset.chance,
        ),
        device=resolve_device(settings.execution.device),
    )
    problem_of(facts)  # an image too small for the skeleton is refused here
    _refuse_without_room(facts)
    _known_measurements(facts)
    directory = _new_directory(dataset.name) if directory is None else _made(directory)
    store = Store.create(directory, {"run": facts.model_dump_json()})
    write_yaml(facts.settings, directory / CONFIG)
    return store, facts, settings.plan.trials


def _reopened(
    directory: Path, preset: str | None, changes: Mapping[str, Any]
) -> tuple[Store, RunFacts, int]:
    """An existing run with the few settings changed that may change."""
    store = Store.resume(directory)
    try:
        facts = RunFacts.model_validate_json(store.facts()["run"])
        planned = rows.plans_of(facts, store.events())[-1][1]
        now = changed(facts.settings, {"plan": {"trials": planned}})
        new = changed(now, {**changes, **({"preset": preset} if preset else {})})
        _refuse_other_differences(directory, facts, now, new)
        if new.plan.trials > planned:
            _refuse_changed_data(facts)
            store.add(events=[("plan", {"trials": new.plan.trials, "after": len(store.trials())})])
    except BaseException:
        store.close()
        raise
    return store, facts.model_copy(update={"settings": new}), new.plan.trials


def _refuse_other_differences(directory: Path, facts: RunFacts, now: Settings, new: Settings) -> None:
    """InputError that shows the first difference that no resumed run may have, with both values."""
    for key, old, value in differences(now, new):
        if key in _FREE_ON_RESUME or (key == "plan.trials" and value > old):
            continue
        if key == "execution.device":
            from blockqnn.evaluation.device import resolve_device

            if resolve_device(value) == facts.device:
                continue
            old = facts.device
        raise InputError(
            f"run {directory}: was begun with {key} = {old}, not {value}; on resume only workers,"
            " executor, device of the same kind and trials (upwards) may differ: start a new run"
        )


def _refuse_without_room(facts: RunFacts) -> None:
    """InputError when not even the smallest block, an identity or a 1x1 convolution, is admitted."""
    settings, classes = facts.settings, len(facts.data.classes)
    for code in ("(1,4,0,0,0)", "(1,1,1,0,0)"):
        with suppress(OverLimit):
            plan_network(
                parse(code), settings.skeleton, facts.data.image, classes, settings.space.limits
            )
            return
    smallest = plan_network(parse("(1,4,0,0,0)"), settings.skeleton, facts.data.image, classes)
    raise InputError(
        f"limits max_params {settings.space.max_params} and max_flops {settings.space.max_flops}: no"
        f" block fits; stem and linear layer alone have {smallest.params} parameters and"
        f" {smallest.flops} FLOPs"
    )


def _known_measurements(facts: RunFacts) -> tuple[dict[str, Measurement], str]:
    """What the run named as source measured, by key; InputError when it cannot be compared."""
    source = facts.settings.source
    if source is None:
        return {}, ""
    view = rows.read(Path(source))
    if view.facts.protocol != facts.protocol:
        raise InputError(
            f"source {source}: was measured by another protocol (data, split, skeleton, recipe or"
            " device differ), so its measurements cannot be taken"
        )
    own = ((t, view.fold.outcome(t)) for t in view.fold.trials if t.repeat_of is None)
    return {t.key: o for t, o in own if isinstance(o, Measurement)}, source


def _made(directory: Path) -> Path:
    """The directory, which now exists, or InputError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"run directory {directory}: cannot be made ({error.strerror})") from None
    return directory


def _new_directory(name: str) -> Path:
    """runs/<data>-<date>-<number>, the first that did not exist; now it is taken."""
    for number in count(1):
        directory = Path("runs") / f"{name}-{date.today():%Y%m%d}-{number}"
        with suppress(FileExistsError):
            directory.mkdir(parents=True)
            break
    return directory


def _source(data: str | os.PathLike[str] | None) -> str | None:
    if data is None or data == "digits":
        return data
    return str(Path(data).resolve())


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The nested values that are not None."""
    given = {k: _given(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    return {k: v for k, v in given.items() if v is not None and v != {}}
