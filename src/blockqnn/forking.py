"""A new run from the measurements of an old one: another reward, another agent, no new training."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from blockqnn.config import Settings, changed, differences
from blockqnn.errors import InputError
from blockqnn.plugins import NOTHING
from blockqnn.records import Result, Trial, under_limit
from blockqnn.report import rows
from blockqnn.runtime.facts import RunFacts, block_density, operation_facts, problem_of
from blockqnn.runtime.pace import SHARE, Event
from blockqnn.runtime.store import refuse_unless_fresh
from blockqnn.setup import OpenRun, begin_run, located, new_facts, refuse_without_room, with_plugins
from blockqnn.version import VERSION

_MEASURED_BY = ("data.", "skeleton.", "recipe.", "evaluator", "execution.device")


def fork_run(
    source: Path,
    directory: Path,
    changes: Mapping[str, Any],
    plugins: Sequence[str | PathLike[str]] = (),
) -> OpenRun:
    """A run that begins with the finished iterations of another, under changed settings.

    Their outcomes are those that were measured; the rewards, and what the agent learns from them,
    follow from the new settings. What a new limit of latency leaves out is a failure; what an old one
    kept from training waits for its evaluation. Where data, skeleton, recipe or device change, or
    latency is wanted that was not measured, nothing stands and the new run begins empty. Raises
    InputError before anything is written.
    """
    refuse_unless_fresh(directory)
    view = rows.read(source)
    facts = _facts(view, changes, plugins)
    taken = _trials(view, facts) if view.facts.stands_for(facts) else []
    planned = facts.settings.plan.trials
    if planned is not None and planned < len(taken):
        raise InputError(f"setting plan.trials = {planned}: {len(taken)} trials are taken from {source}")
    results = [r for trial in taken if trial.repeat_of is None and (r := _result(view, facts, trial))]
    iterations = taken[-1].iteration + 1 if taken else 0
    opened = begin_run(facts, directory)
    epsilons = [view.epsilon(iteration) for iteration in range(iterations)]
    body = {"run": str(source.absolute()), "trials": len(taken), "epsilons": epsilons}
    events: list[Event] = [("fork", body)]
    events += [(SHARE, view.share(iteration)) for iteration in range(iterations)]
    try:
        opened.store.add(taken, results, events)
    except BaseException:
        opened.store.close()
        raise
    return opened


def _facts(
    view: rows.RunView, changes: Mapping[str, Any], plugins: Sequence[str | PathLike[str]]
) -> RunFacts:
    """What the new run knows of itself; data are read again only where they may differ."""
    extensions, operations = NOTHING, view.facts.operations
    if plugins:
        changes, extensions = with_plugins(changes, plugins)
        operations = operation_facts(extensions.operations)
    old = view.facts.settings.model_copy(update={"plan": view.plans[-1][1]})
    new = located(changed(old, changes))
    if (old.strategy, old.evaluator) != (new.strategy, new.evaluator):
        extensions.refuse_unknown(new)
    if any(key.startswith(_MEASURED_BY) for key, _, _ in differences(old, new)):
        alone = new.model_copy(update={"source": None})  # whose measurements do not stand either
        values = {name: getattr(alone, name) for name in Settings.model_fields}
        return new_facts(new.preset, values, plugins)[0]
    changed_facts = {"settings": new, "version": VERSION, "operations": operations}
    facts = view.facts.model_copy(update=changed_facts)
    problem_of(facts)
    refuse_without_room(facts)
    return facts


def _trials(view: rows.RunView, facts: RunFacts) -> list[Trial]:
    """The trials of the finished iterations, with the density that the new reward counts."""
    trials = []
    for iteration in view.fold.iterations[: view.fold.complete_iterations()]:
        for trial in iteration:
            counted = trial.density is not None
            density = block_density(facts.block(trial.code), facts.settings.reward) if counted else None
            trials.append(trial.model_copy(update={"density": density}))
    return trials


def _result(view: rows.RunView, facts: RunFacts, trial: Trial) -> Result | None:
    """The trial's outcome under the new limit, said to come from the other run at no cost of time."""
    result = view.fold.result(trial)
    assert result is not None, "a finished iteration has all its outcomes"
    limits = (f.settings.latency.limit for f in (view.facts, facts))
    if (outcome := under_limit(result.outcome, *limits)) is None:
        return None
    taken = {"attempts": 0, "seconds": 0.0, "worker": "", "source": str(view.directory.absolute())}
    observed = result.observed.model_copy(update=taken)
    return result.model_copy(update={"outcome": outcome, "observed": observed})
