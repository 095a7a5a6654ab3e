"""A new run from what is sound of a damaged one."""

from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from blockqnn.errors import InputError
from blockqnn.runtime.facts import RunFacts
from blockqnn.runtime.file.schema import VALUES, Table
from blockqnn.runtime.file.verify import Examined
from blockqnn.runtime.pace import Event
from blockqnn.runtime.store import Store, refuse_unless_fresh
from blockqnn.setup import begin_run


class Rebuilt(NamedTuple):
    """Rows that the new run has."""

    trials: int
    results: int


def rebuild_run(source: Path, directory: Path) -> Rebuilt:
    """The run as it was before the first commit of which a fact, trial or event is damaged.

    Of the trials it had then, all sound results are taken, later ones too; those that are damaged or
    lost are evaluated again when the run goes on. InputError where nothing is damaged, or too much.
    """
    refuse_unless_fresh(directory)
    with Store.look(source) as store:
        found = store.examined()
    if not found.damages:
        raise InputError(f"run {source}: is sound, there is nothing to rebuild")
    kept = _kept(found)
    facts = dict(_values(found, kept, "facts"))
    if "run" not in facts:
        raise InputError(
            f"run {source}: cannot be rebuilt, for its facts are damaged or its format names no commits"
        )
    trials, events = _values(found, kept, "trials"), _values(found, kept, "events")
    numbers = {trial.number for trial in trials}
    results = [r for r in map(VALUES["results"], found.rows["results"].values()) if r.number in numbers]
    told: Event = ("rebuild", {"run": str(source.absolute()), "trials": len(trials)})
    with begin_run(RunFacts.model_validate_json(facts["run"]), directory).store as new:
        new.add(trials, results, [*events, told])
    return Rebuilt(len(trials), len(results))


def _kept(found: Examined) -> set[tuple[Table, str]]:
    """What the commits wrote before the damage, results aside."""
    kept: set[tuple[Table, str]] = set()
    for number in count(1):
        if number not in found.commits:
            return kept
        wrote = from_json(found.commits[number])
        rows = {(t, str(key)) for t, keys in wrote.items() if t != "results" for key in keys}
        if not all(row in found.rows[table] for table, row in rows):
            return kept
        kept |= rows
    raise AssertionError


def _values(found: Examined, kept: set[tuple[Table, str]], table: Table) -> list[Any]:
    of_table = found.rows[table].items()
    return [VALUES[table](row) for key, row in of_table if (table, key) in kept]
