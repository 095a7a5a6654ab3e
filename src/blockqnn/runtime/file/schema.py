"""The tables of a run file, their rows as values, and the checksums by which rows prove themselves.

Format 2: each row of facts, trials, results and events ends with a CRC-32 of its table and values, its
key among them. Each commit adds a row to `commits`: the keys of what it wrote, and a CRC-32 that goes
on from the one of the commit before and covers those of its rows. So a flipped bit, a moved row, a lost
and an added one are seen. Format 1 has neither; it is read, and rewritten when its run goes on.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal
from zlib import crc32

from blockqnn.records import OUTCOME, Observation, Result, Trial
from blockqnn.runtime.pace import Event

FORMAT = 2
Table = Literal["facts", "trials", "results", "events"]
Stored = str | bytes | int | float | None  # text comes as bytes, so that damaged text can be read too
Row = tuple[Any, ...]  # of Stored
COLUMNS: Mapping[Table, tuple[str, ...]] = MappingProxyType(  # the first one is the key
    {
        "facts": ("name", "value"),
        "trials": tuple(Trial.model_fields),
        "results": ("number", "outcome", "observed"),
        "events": ("id", "kind", "body"),
    }
)
_DEFINITIONS: Mapping[Table, str] = MappingProxyType(
    {
        "facts": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
        "trials": "number INTEGER PRIMARY KEY, iteration INTEGER NOT NULL, code TEXT NOT NULL,"
        " key TEXT NOT NULL, density REAL, redrawn INTEGER NOT NULL,"
        " redrawn_steps INTEGER NOT NULL, repeat_of INTEGER",
        "results": "number INTEGER PRIMARY KEY REFERENCES trials, outcome TEXT NOT NULL,"
        " observed TEXT NOT NULL",
        "events": "id INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL",
    }
)
_COMMITS = "CREATE TABLE commits (id INTEGER PRIMARY KEY, wrote TEXT NOT NULL, crc INTEGER NOT NULL)"


def statements(form: int = FORMAT) -> dict[str, str]:
    """What makes each table of a format, by its name, as SQLite keeps the text."""
    crc = ", crc INTEGER NOT NULL" if form > 1 else ""
    tables: dict[str, str] = {
        name: f"CREATE TABLE {name} ({definition}{crc})" for name, definition in _DEFINITIONS.items()
    }
    return tables | ({"commits": _COMMITS} if form > 1 else {})


def lay_out(connection: sqlite3.Connection) -> None:
    """Makes the empty tables."""
    for statement in statements().values():
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def selected(table: Table, form: int) -> str:
    """A query for the table's rows, each with its checksum behind; NULL where the format has none."""
    return f"SELECT {', '.join(COLUMNS[table])}, {'crc' if form > 1 else 'NULL'} FROM {table}"


def checksum(table: str, row: Iterable[Stored]) -> int:
    """CRC-32 of the table's name and the row's values as SQLite gives them back.

    Numbers as text, all of it separated by a byte that no text of ours holds.
    """
    parts = [v if type(v) is bytes else b"%d" % v if type(v) is int else _told(v) for v in row]
    return crc32(b"\x1f".join([table.encode(), *parts]))


def _told(value: Stored) -> bytes:
    if isinstance(value, float):
        value += 0.0  # SQLite keeps no minus at zero
    return (value if isinstance(value, str) else repr(value)).encode()


def link(previous: int, number: int, wrote: bytes, checksums: Iterable[int]) -> int:
    """The checksum of a commit: of its number, what it names, its rows' checksums, all before it."""
    parts = [b"commits", b"%d" % number, wrote, *[b"%d" % c for c in checksums]]
    return crc32(b"\x1f".join(parts), previous)


def write(connection: sqlite3.Connection, rows: Mapping[Table, Sequence[Row]]) -> None:
    """The rows and the commit that names them, into the transaction that is open."""
    wrote: dict[str, list[Any]] = {}
    checksums: list[int] = []
    for table, values in rows.items():
        if values:
            sealed = [(*row, checksum(table, row)) for row in values]
            places = ", ".join("?" * len(sealed[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", sealed)
            wrote[table] = [row[0] for row in values]
            checksums += [row[-1] for row in sealed]
    last = connection.execute("SELECT id, crc FROM commits ORDER BY id DESC LIMIT 1").fetchone()
    before, previous = last or (0, 0)
    named = json.dumps(wrote, separators=(",", ":"))
    crc = link(previous, before + 1, named.encode(), checksums)
    connection.execute("INSERT INTO commits VALUES (?, ?, ?)", (before + 1, named, crc))


def fact_rows(facts: Mapping[str, Any]) -> list[Row]:
    return [(name, json.dumps(value, allow_nan=False)) for name, value in facts.items()]


def trial_row(trial: Trial) -> Row:
    density = None if trial.density is None else float(trial.density)
    return tuple((trial.model_dump() | {"density": density}).values())


def result_row(result: Result) -> Row:
    outcome = result.outcome.model_dump_json(exclude_none=True)
    return result.number, outcome, result.observed.model_dump_json()


def event_rows(events: Iterable[Event], before: int) -> list[Row]:
    """Numbered on from the last event there is."""
    return [
        (number, kind, json.dumps(body, allow_nan=False))
        for number, (kind, body) in enumerate(events, before + 1)
    ]


# The other way; ValueError or TypeError for what is no such row.


def fact_of(row: Row) -> tuple[str, Any]:
    name, value = row
    return str(name, "utf-8"), json.loads(value)


def trial_of(row: Row) -> Trial:
    number, iteration, code, key, density, redrawn, redrawn_steps, repeat_of = row
    return Trial(
        number=number,
        iteration=iteration,
        code=str(code, "utf-8"),
        key=str(key, "utf-8"),
        density=density,
        redrawn=redrawn,
        redrawn_steps=redrawn_steps,
        repeat_of=repeat_of,
    )


def result_of(row: Row) -> Result:
    number, outcome, observed = row
    return Result(
        number=number,
        outcome=OUTCOME.validate_json(outcome),
        observed=Observation.model_validate_json(observed),
    )


def event_of(row: Row) -> Event:
    _, kind, body = row
    return str(kind, "utf-8"), json.loads(body)


VALUES: Mapping[Table, Any] = MappingProxyType(
    {"facts": fact_of, "trials": trial_of, "results": result_of, "events": event_of}
)
