"""From what a user asked for to a run that can begin or go on; all checks come before all writes."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from blockqnn.config import Settings, changed, differences, preset_for, resolve
from blockqnn.config_file import write_settings
from blockqnn.errors import InputError
from blockqnn.network.plan import OverLimit, plan_network
from blockqnn.records import Measurement
from blockqnn.report import rows
from blockqnn.runtime.facts import DataFacts, RunFacts, problem_of
from blockqnn.runtime.store import CONFIG, Store, refuse_unless_fresh
from blockqnn.space.code import parse
from blockqnn.version import VERSION

_FREE_ON_RESUME = ("execution.executor", "execution.workers", "execution.timeout", "execution.memory")


class OpenRun(NamedTuple):
    """A run that this process may write."""

    store: Store
    facts: RunFacts
    planned: int  # trials


def create_run(directory: Path | None, preset: str | None, changes: Mapping[str, Any]) -> OpenRun:
    """A new run: everything is checked before anything is written."""
    from blockqnn.data.dataset import load

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
        version=VERSION,
        settings=settings.model_copy(update={"plan": plan}),
        data=DataFacts(
            name=dataset.name,
            digest=dataset.digest,
            image=dataset.image,
            classes=dataset.classes,
            sizes=(len(dataset.train), len(dataset.validation), len(dataset.test)),
            chance=dataset.chance(settings.recipe.metric),
        ),
        device=resolve_device(settings.execution.device),
        source_iterations=_complete_iterations(settings.source),
    )
    problem_of(facts)  # an image too small for the skeleton is refused here
    _refuse_without_room(facts)
    known_measurements(facts)
    directory = _new_directory(dataset.name) if directory is None else _made(directory)
    store = Store.create(directory, {"run": facts.model_dump_json()})
    write_settings(facts.settings, directory / CONFIG)
    return OpenRun(store, facts, settings.plan.trials)


def _complete_iterations(source: str | None) -> int:
    return 0 if source is None else rows.read(Path(source)).fold.complete_iterations()


def reopen_run(directory: Path, preset: str | None, changes: Mapping[str, Any]) -> OpenRun:
    """An existing run with the few settings changed that may change."""
    store = Store.resume(directory)
    try:
        facts = RunFacts.model_validate_json(store.facts()["run"])
        planned = rows.plans_of(facts, store.events())[-1][1]
        now = changed(facts.settings, {"plan": {"trials": planned}})
        new = changed(now, {**changes, **({"preset": preset} if preset else {})})
        _refuse_other_differences(directory, facts, now, new)
        if new.plan.trials > planned:
            refuse_changed_data(facts)
            store.add(events=[("plan", {"trials": new.plan.trials, "after": len(store.trials())})])
    except BaseException:
        store.close()
        raise
    return OpenRun(store, facts.model_copy(update={"settings": new}), new.plan.trials)


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


def known_measurements(facts: RunFacts) -> dict[str, Measurement]:
    """What the run named as source had measured when this one began, by key.

    InputError when its measurements cannot stand for this run's.
    """
    if facts.settings.source is None:
        return {}
    view = rows.read(Path(facts.settings.source))
    if view.facts.protocol != facts.protocol:
        raise InputError(
            f"source {facts.settings.source}: was measured by another protocol (data, split, skeleton,"
            " recipe or device differ), so its measurements cannot be taken"
        )
    trials = (t for iteration in view.fold.iterations[: facts.source_iterations] for t in iteration)
    outcomes = {t.key: view.fold.outcome(t) for t in trials}
    return {key: o for key, o in outcomes.items() if isinstance(o, Measurement)}


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


def refuse_changed_data(facts: RunFacts) -> None:
    """InputError unless the data are those that the run began with."""
    from blockqnn.data.dataset import load

    if load(facts.settings.data).digest != facts.data.digest:
        raise InputError(f"data {facts.settings.data.source}: changed since the run began")
