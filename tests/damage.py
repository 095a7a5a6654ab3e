"""Run files for tests of damage: a small one with rows of all kinds, and what a reader sees in it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from blockqnn.errors import InputError
from blockqnn.records import Failure, Measurement, Observation, Result, Trial
from blockqnn.report import rows
from blockqnn.runtime.store import DATABASE, Store
from runs import facts

OBSERVED = Observation(seconds=36.25, worker="0", fingerprint="AVX512; torch 2.13.0+cpu; 1 thread")


def code_of(number: int) -> str:
    """Of a block of two layers that no other number below 45 has."""
    first = ("1,1", "1,3", "1,5", "2,1", "2,3", "3,1", "3,3", "4,0", "1,1")[number % 9]
    second = ("1,1", "1,3", "1,5", "2,3", "3,3")[number // 9 % 5]
    return f"(1,{first},0,0) (2,{second},1,0) (3,7,0,0,0)"


def fill(directory: Path, seed: int = 0, trials: int = 32) -> Path:
    """A run in iterations of four, a commit each; outcomes come later, one by one and in pairs."""
    run = facts(plan={"trials": trials, "iteration": 4, "seed": seed})
    with Store.create(directory, {"run": run.model_dump_json()}) as store:
        for first in range(0, trials, 4):
            numbers = range(first, first + 4)
            proposed = [
                Trial(number=n, iteration=n // 4, code=code_of(n), key=f"key {n}", density=1 + n / 7)
                for n in numbers
            ]
            store.add(proposed, events=[("share", first / trials)])
            done = [result_of(n, seed) for n in reversed(numbers)]
            store.add(results=done[:1])
            store.add(results=done[1:2], events=[("fingerprint", [f"machine {first}"])])
            store.add(results=done[2:])
    return directory


def result_of(number: int, seed: int) -> Result:
    outcome: Measurement | Failure = Failure(kind="error", detail="no 'kernel' of 7")
    if number % 5:
        accuracy = 20 + (number * 7 + seed) % 60 + 1 / 3
        outcome = Measurement(accuracy=accuracy, flops=10**6 + number, params=number, steps=100)
    return Result(number=number, outcome=outcome, observed=OBSERVED)


def put(directory: Path, content: bytes) -> Path:
    """A run directory whose file has this content."""
    directory.mkdir(exist_ok=True)
    for left in directory.iterdir():
        left.unlink()
    (directory / DATABASE).write_bytes(content)
    return directory


def values(store: Store) -> tuple[Any, ...]:
    return store.facts(), store.trials(), store.results(), store.events()


def seen(directory: Path) -> tuple[Any, ...] | None:
    """All that a reader sees; None: the file was refused."""
    try:
        with Store.read(directory) as store:
            return values(store)
    except InputError:
        return None


def found(directory: Path) -> bool:
    """Whether `check` finds damage."""
    try:
        with Store.look(directory) as store:
            return bool(store.examined().damages)
    except InputError:
        return True


def refused(directory: Path) -> bool:
    """Whether a run that is to go on is refused."""
    try:
        Store.resume(directory).close()
    except InputError:
        return True
    return False


def folded(directory: Path) -> dict[str, Any]:
    return rows.read(directory).status()


# As version 1 of the format was written, before rows had checksums.
FORMAT_1 = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (number INTEGER PRIMARY KEY, iteration INTEGER NOT NULL, code TEXT NOT NULL,\
 key TEXT NOT NULL, density REAL, redrawn INTEGER NOT NULL, redrawn_steps INTEGER NOT NULL,\
 repeat_of INTEGER);
CREATE TABLE results (number INTEGER PRIMARY KEY REFERENCES trials, outcome TEXT NOT NULL,\
 observed TEXT NOT NULL);
CREATE TABLE events (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL);
PRAGMA user_version = 1;
"""


def old(directory: Path, source: Path) -> Path:
    """The run in the source, in a file of format 1."""
    with Store.read(source) as store:
        known, trials, results, events = values(store)
    directory.mkdir()
    with closing(sqlite3.connect(directory / DATABASE)) as connection:
        connection.executescript(FORMAT_1)
        connection.executemany(
            "INSERT INTO facts VALUES (?, ?)", [(name, json.dumps(v)) for name, v in known.items()]
        )
        connection.executemany(
            f"INSERT INTO trials VALUES ({', '.join('?' * 8)})",
            [tuple(dict(t).values()) for t in trials],
        )
        connection.executemany(
            "INSERT INTO results VALUES (?, ?, ?)",
            [
                (r.number, r.outcome.model_dump_json(exclude_none=True), r.observed.model_dump_json())
                for r in results
            ],
        )
        connection.executemany(
            "INSERT INTO events (kind, body) VALUES (?, ?)", [(k, json.dumps(b)) for k, b in events]
        )
        connection.commit()
    return directory
