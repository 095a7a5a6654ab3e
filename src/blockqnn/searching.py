"""A run that goes on: its loop, with the executor, the pace and the live line that its facts ask for."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from blockqnn.callbacks.callback import Callback
from blockqnn.callbacks.dispatch import watched
from blockqnn.callbacks.live import LiveLine
from blockqnn.quantity import duration
from blockqnn.runtime.energy import Meter
from blockqnn.runtime.facts import RunFacts, problem_of, strategy_of
from blockqnn.runtime.file.disk import Patience
from blockqnn.runtime.lazy import LazyExecutor
from blockqnn.runtime.pace import pace_of
from blockqnn.runtime.search import Executor, search
from blockqnn.runtime.slots import slots_of
from blockqnn.runtime.store import NotWritten, Store
from blockqnn.setup import OpenRun, known_measurements, refuse_changed_data

EVALUATOR = "blockqnn.evaluation.early_stop:make_evaluator"


def go_on(
    opened: OpenRun,
    begun: float,
    callbacks: Sequence[Callback],
    live: bool,
    *,
    data_known: bool = False,
) -> None:
    """Searches until the run's plan is done.

    `begun` is the moment of the monotonic clock from which this session's time counts. The live line
    leaves out what is to be said of the data where that is known.
    """
    store, facts, extensions = opened
    problem, plan = problem_of(facts, extensions.operations), facts.settings.plan
    line = LiveLine() if live else None
    if line:
        line.note(f"run {store.directory}: {_summary(facts)}")
        for text in () if data_known else _remarks(facts):
            line.note(text)
        callbacks = [line, *callbacks]
    say = line.note if line else _say
    store.patience = Patience(say)
    try:
        with watched(store, callbacks, say) as report, _metered(store, facts):
            executor = LazyExecutor(lambda: _executor(facts, say))
            try:
                search(
                    problem,
                    strategy_of(facts.settings, problem, extensions.strategies),
                    executor,
                    store,
                    plan,
                    pace=pace_of(plan, store.events(), begun),
                    known=known_measurements(facts),
                    source=facts.settings.source or "",
                    report=report,
                )
            finally:
                executor.close()
    finally:
        if line:
            line.close()


def _say(text: str) -> None:
    """A line on standard error; a reader that has gone stops no search."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")


@contextmanager
def _metered(store: Store, facts: RunFacts) -> Iterator[None]:
    """Records what the devices consumed meanwhile, also where the user stops it."""
    meter = Meter(facts.device)
    try:
        yield
    except KeyboardInterrupt:
        with suppress(NotWritten):
            store.add(events=meter.passed())
        raise
    store.add(events=meter.passed())


def _remarks(facts: RunFacts) -> Iterator[str]:
    yield from facts.data.notes
    yield from (f"warning: {warning}" for warning in facts.data.warnings)


def _summary(facts: RunFacts) -> str:
    """What was decided before the search began, also where the user named nothing."""
    image, settings = facts.data.image, facts.settings
    plan = settings.plan
    length = f"{plan.trials} trials" if plan.budget is None else f"for {duration(plan.budget)}"
    return (
        f"{facts.data.name} ({facts.data.sizes[0]} images of {image.height}x{image.width} to train on),"
        f" preset {settings.preset}, {settings.strategy}, {length}, seed {plan.seed}, {facts.device}"
    )


def _executor(facts: RunFacts, say: Callable[[str], None]) -> Executor:
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
    if execution.executor == "ray":
        return _on_cluster(facts, specification, say)
    from blockqnn.runtime.local import LocalExecutor

    return LocalExecutor(
        EVALUATOR,
        specification,
        **slots_of(execution, facts.device)._asdict(),
        timeout=execution.timeout,
        memory=execution.memory,
    )


def _on_cluster(
    facts: RunFacts, specification: Mapping[str, Any], say: Callable[[str], None]
) -> Executor:
    """The prepared data travel to the nodes, which need not reach the source."""
    from blockqnn.data.dataset import shipped
    from blockqnn.runtime.cluster.executor import RayExecutor
    from blockqnn.runtime.cluster.messages import Freight, Opening
    from blockqnn.runtime.cluster.reach import refuse_out_of_reach

    execution = facts.settings.execution
    refuse_out_of_reach(execution)
    name, files = shipped(facts.settings.data)
    cache = "blockqnn.data.cache"
    opening = Opening(
        evaluator=EVALUATOR,
        specification={**specification, "prepared": name},
        address=execution.address,
        unauthenticated=execution.unauthenticated,
        workers=execution.workers,
        per_gpu=execution.per_gpu if facts.device == "cuda" else None,
        timeout=execution.timeout,
        memory=execution.memory,
        freight=Freight(name=name, files=files, holds=f"{cache}:holds", install=f"{cache}:install"),
    )
    return RayExecutor(opening, say)
