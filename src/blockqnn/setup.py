"""From what a user asked for to a run that can begin or go on; all checks come before all writes."""

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from blockqnn.config import (
    FREE_ON_RESUME,
    ExecutionSettings,
    Settings,
    changed,
    differences,
    preset_for,
    resolve,
)
from blockqnn.config_file import write_settings
from blockqnn.errors import InputError
from blockqnn.network.plan import OverLimit, plan_network
from blockqnn.plugins import NOTHING, Extensions, named, named_again
from blockqnn.plugins import load as load_plugins
from blockqnn.records import Measurement, under_limit
from blockqnn.report import rows
from blockqnn.runtime.cluster.reach import refuse_out_of_reach
from blockqnn.runtime.facts import (
    DataFacts,
    RunFacts,
    facts_of,
    operation_facts,
    problem_of,
    strategy_of,
)
from blockqnn.runtime.file.disk import make_directory, refuse_network_disk
from blockqnn.runtime.store import CONFIG, Store, refuse_unless_fresh
from blockqnn.space.code import parse
from blockqnn.version import VERSION

_UPWARDS = ("plan.trials", "plan.budget")
_RUNS = Path("runs")  # where a run lies that nobody named a directory for


class OpenRun(NamedTuple):
    """A run that this process may write; the facts hold its plan as it is now."""

    store: Store
    facts: RunFacts
    extensions: Extensions = NOTHING


def create_run(
    directory: Path | None,
    preset: str | None,
    changes: Mapping[str, Any],
    plugins: Sequence[str | PathLike[str]] = (),
) -> OpenRun:
    """A new run: everything is checked before anything is written."""
    if directory is None:
        refuse_network_disk(_RUNS)
    else:
        refuse_unless_fresh(directory)
    facts, extensions = new_facts(preset, changes, plugins)
    known_measurements(facts)
    refuse_out_of_reach(facts.settings.execution)
    return begin_run(facts, directory, extensions)


def new_facts(
    preset: str | None, changes: Mapping[str, Any], plugins: Sequence[str | PathLike[str]] = ()
) -> tuple[RunFacts, Extensions]:
    """What a run with these settings would know of itself, and what its plugins bring.

    Nothing is written. Raises InputError for settings, data and limits that no run can have.
    """
    from blockqnn.data.dataset import load
    from blockqnn.evaluation.device import resolve_precision

    changes, extensions = with_plugins(changes, plugins)
    settings = located(resolve(preset or "standard", changes))
    extensions.refuse_unknown(settings)
    dataset = load(settings.data)
    if preset is None:
        side = max(dataset.image.height, dataset.image.width)
        settings = located(resolve(preset_for(side, len(dataset.train)), changes))
    device = device_of(settings.execution)
    plan = settings.plan.model_copy(update={"iteration": settings.plan.iteration_size})
    precision = resolve_precision(settings.recipe.precision, device)
    recipe = settings.recipe.model_copy(update={"precision": precision})
    facts = RunFacts(
        version=VERSION,
        settings=settings.model_copy(update={"plan": plan, "recipe": recipe}),
        data=DataFacts(
            name=dataset.name,
            digest=dataset.digest,
            image=dataset.image,
            classes=dataset.classes,
            sizes=(len(dataset.train), len(dataset.validation), len(dataset.test)),
            chance=dataset.chance(settings.recipe.metric),
            warnings=dataset.warnings,
            notes=dataset.notes,
        ),
        device=device,
        source_iterations=_complete_iterations(settings.source),
        operations=operation_facts(extensions.operations),
    )
    # an image too small for the skeleton, or a strategy that cannot be made, is refused here
    strategy_of(facts.settings, problem_of(facts, extensions.operations), extensions.strategies)
    refuse_without_room(facts)
    return facts, extensions


def device_of(execution: ExecutionSettings) -> str:
    """The kind of device that trains; on a cluster CUDA is taken at its word, for the GPUs are there."""
    from blockqnn.evaluation.device import resolve_device

    if (execution.executor, execution.device) == ("ray", "cuda"):
        return "cuda"
    return resolve_device(execution.device)


def with_plugins(
    changes: Mapping[str, Any], paths: Sequence[str | PathLike[str]]
) -> tuple[Mapping[str, Any], Extensions]:
    """The changes with the plugins in them, and what those bring.

    Settings that name plugins, as those of a file do, run none: they must be named beside them.
    """
    plugins = named(paths)
    if changes.get("plugins"):
        named_again(resolve("standard", {"plugins": changes["plugins"]}).plugins, plugins, "settings")
    extensions = load_plugins(plugins)
    if extensions.operations:
        from blockqnn.network.stated import refuse_misstated

        refuse_misstated(extensions.operations)
    return {**changes, "plugins": [p.model_dump() for p in plugins]}, extensions


def located(settings: Settings) -> Settings:
    """The settings with absolute paths, so that a run goes on from any working directory."""
    data = settings.data
    source, labels = data.source, data.labels
    prefix, name = ("hf:", source[3:]) if source.startswith("hf:") else ("", source)
    if name not in ("", "digits") and (not prefix or Path(name).exists()):
        source = f"{prefix}{Path(name).absolute()}"
    changes = {"source": source, "labels": labels and str(Path(labels).absolute())}
    run = settings.source and str(Path(settings.source).absolute())
    return settings.model_copy(update={"data": data.model_copy(update=changes), "source": run})


def begin_run(facts: RunFacts, directory: Path | None, extensions: Extensions = NOTHING) -> OpenRun:
    """The run, written; without a directory in a new one."""
    directory = _new_directory(facts.data.name) if directory is None else _made(directory)
    store = Store.create(directory, {"run": facts.model_dump_json()})
    write_settings(facts.settings, directory / CONFIG)
    return OpenRun(store, facts, extensions)


def _complete_iterations(source: str | None) -> int:
    return 0 if source is None else rows.read(Path(source)).fold.complete_iterations()


def reopen_run(
    directory: Path,
    preset: str | None,
    changes: Mapping[str, Any],
    plugins: Sequence[str | PathLike[str]] = (),
) -> OpenRun:
    """An existing run with the few settings changed that may change.

    Its plugins must be named again, wherever they lie now, with the contents it was begun with.
    """
    store = Store.resume(directory)
    try:
        facts = facts_of(store)
        now_named = named(plugins)
        named_again(facts.settings.plugins, now_named, f"run {directory}")
        extensions = load_plugins(now_named)
        plan = rows.plans_of(facts, store.events())[-1][1]
        now = facts.settings.model_copy(update={"plan": plan, "plugins": now_named})
        new = located(changed(now, {**changes, **({"preset": preset} if preset else {})}))
        # as a file of `init` says it: what the run has chosen
        if new.plan.iteration is None:
            chosen = new.plan.model_copy(update={"iteration": plan.iteration})
            new = new.model_copy(update={"plan": chosen})
        if new.recipe.precision == "auto":
            known = new.recipe.model_copy(update={"precision": now.recipe.precision})
            new = new.model_copy(update={"recipe": known})
        _refuse_other_differences(directory, facts, now, new)
        if new.plan != plan:
            refuse_changed_data(facts)
            kind = "trials" if new.plan.budget is None else "budget"
            body = {kind: getattr(new.plan, kind), "after": len(store.trials())}
            store.add(events=[("plan", body)])
    except BaseException:
        store.close()
        raise
    return OpenRun(store, facts.model_copy(update={"settings": new}), extensions)


def _refuse_other_differences(directory: Path, facts: RunFacts, now: Settings, new: Settings) -> None:
    """InputError that shows the first difference that no resumed run may have, with both values."""
    for key, old, value in differences(now, new):
        if key in FREE_ON_RESUME or (key in _UPWARDS and _grew(old, value)):
            continue
        if key == "execution.device":
            if device_of(new.execution) == facts.device:
                continue
            old = facts.device
        fork = "" if key in _UPWARDS and old else _fork_command(directory, key, value)
        raise InputError(
            f"run {directory}: was begun with {key} = {old}, not {value}; on resume only workers,"
            f" executor, device of the same kind, and trials or budget (upwards) may differ{fork}"
        )


def _grew(old: float | None, new: float | None) -> bool:
    """Whether a plan was extended; where it changes its kind, the other key tells."""
    return new is None or (old is not None and new > old)


def _fork_command(directory: Path, key: str, value: object) -> str:
    new = directory.with_name(f"{directory.absolute().name}-2")
    change = f"{key}={json.dumps(value)}"
    command = shlex.join(["blockqnn", "fork", str(directory), str(new), "--set", change])
    return f"; for another run: {command}"


def refuse_without_room(facts: RunFacts) -> None:
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
    if not view.facts.stands_for(facts):
        raise InputError(
            f"source {facts.settings.source}: was measured by another protocol (data, split, skeleton,"
            " recipe or device differ, or latency was not measured), so its measurements cannot be taken"
        )
    trials = (t for iteration in view.fold.iterations[: facts.source_iterations] for t in iteration)
    outcomes = {t.key: view.fold.outcome(t) for t in trials}
    old, new = (f.settings.latency.limit for f in (view.facts, facts))
    now = {key: o and under_limit(o, old, new) for key, o in outcomes.items()}
    return {key: o for key, o in now.items() if isinstance(o, Measurement)}


def _made(directory: Path) -> Path:
    """The directory, which now exists, or InputError."""
    try:
        make_directory(directory)
    except OSError as error:
        raise InputError(f"run directory {directory}: cannot be made ({error.strerror})") from None
    return directory


def _new_directory(name: str) -> Path:
    """runs/<data>-<date>-<number>, the first that did not exist; now it is taken."""
    for number in count(1):
        directory = _RUNS / f"{name}-{date.today():%Y%m%d}-{number}"
        with suppress(FileExistsError):
            make_directory(directory, exist_ok=False)
            break
    return directory


def refuse_changed_data(facts: RunFacts) -> None:
    """InputError unless the data are those that the run began with."""
    from blockqnn.data.dataset import load

    if load(facts.settings.data).digest != facts.data.digest:
        raise InputError(f"data {facts.settings.data.source}: changed since the run began")
