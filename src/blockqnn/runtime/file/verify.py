"""Whether a run file is what was written: every damage, with its table and row."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, get_args

from pydantic_core import from_json

from blockqnn.runtime.file.rest import collector_at_rest
from blockqnn.runtime.file.schema import (
    COLUMNS,
    VALUES,
    Row,
    Table,
    checksum,
    link,
    selected,
    statements,
)

TABLES: tuple[Table, ...] = get_args(Table)
Checksums = Mapping[Table, Mapping[Any, Any]]  # of the rows that are there, by table and key
# where these befall a reader, the machine is at fault or busy, and the file may be sound
_MACHINE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
}
# what SQLite raises; a message with damaged text in it cannot be decoded, nor a damaged length be had
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError, MemoryError)
NO_ROW = (ValueError, TypeError, KeyError, AttributeError, RecursionError)  # of what is misread


class Damage(NamedTuple):
    """What is wrong, and where: without a row it is the table as a whole."""

    table: str
    row: str
    what: str

    def __str__(self) -> str:
        row = f" row {self.row}" if self.row else ""
        return in_one_line(f"{self.table}{row}: {self.what}")


def is_damage(error: Exception) -> bool:
    """Whether one of UNREADABLE is the file's fault, and not the machine's."""
    code: int = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR
    return code & 0xFF not in _MACHINE


class Examined(NamedTuple):
    """What a look at the whole file found."""

    rows: dict[Table, dict[str, Row]]  # those that are as they were written, without checksums
    commits: dict[int, bytes]  # what each wrote, as JSON; those that are sound
    damages: list[Damage]


def in_one_line(told: object) -> str:
    """What it says, however long or broken a damaged text in it is."""
    return " ".join(str(told).split())[:300] or type(told).__name__


def examined(connection: sqlite3.Connection, form: int) -> Examined:
    """All of the file: its layout, every row, the chain of commits, SQLite's pages.

    The connection gives text as bytes.
    """
    with _snapshot(connection):
        wrong = _layout(connection, form)
        laid_out = not wrong  # else keys may be no keys
        found: dict[Table, dict[Any, Row]] = {}
        for table in TABLES:
            found[table], of_table = _rows(connection, table, form)
            wrong += of_table
        damaged = {(damage.table, damage.row) for damage in wrong}
        commits: dict[int, bytes] = {}
        if laid_out and form > 1:
            sealed = {t: {key: row[-1] for key, row in rows.items()} for t, rows in found.items()}
            unchained = _chain(connection, sealed, damaged)
            wrong += unchained
            unsound = {damage.row for damage in unchained if damage.table == "commits"}
            read, _ = _read(connection, "SELECT id, wrote FROM commits ORDER BY rowid")
            commits = {number: wrote for number, wrote in read if str(number) not in unsound}
        elif laid_out:
            trials = [(row[0], row[1], row[3], row[7]) for row in found["trials"].values()]
            wrong += _order(trials, found["results"])
        wrong += _pages(connection)
    sound: dict[Table, dict[str, Row]] = {table: {} for table in TABLES}
    for table, rows in found.items():
        for key, row in rows.items():
            if (table, _text(key)) not in damaged:
                sound[table][_text(key)] = row[:-1]
    return Examined(sound, commits, wrong)


def gaps(connection: sqlite3.Connection, form: int) -> list[Damage]:
    """The damages that who reads row by row does not see: rows that are lost or added.

    In format 1, which cannot tell, rows that make no run together.
    """
    with _snapshot(connection):
        wrong = _layout(connection, form)
        if wrong:
            return wrong
        if form > 1:
            found: dict[Table, dict[Any, Any]] = {}
            for table in TABLES:
                query = f"SELECT {COLUMNS[table][0]}, crc FROM {table} ORDER BY rowid"
                rows = connection.execute(query).fetchall()
                found[table] = {_key(key): crc for key, crc in rows}
                wrong += _repeated(table, rows, found[table])
            return wrong + _chain(connection, found)
        query = "SELECT number, iteration, key, repeat_of FROM trials ORDER BY rowid"
        trials = connection.execute(query).fetchall()
        numbers = [number for (number,) in connection.execute("SELECT number FROM results")]
        return wrong + _order(trials, numbers)


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One state of the file, whatever is written meanwhile."""
    connection.execute("BEGIN")
    try:
        with collector_at_rest():
            yield
    finally:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _layout(connection: sqlite3.Connection, form: int) -> list[Damage]:
    """Tables that are not as they were made."""
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    return [
        Damage(name, "", "is not as it was made")
        for name, statement in statements(form).items()
        if found.get(name.encode()) != statement.encode()
    ]


def _rows(
    connection: sqlite3.Connection, table: Table, form: int
) -> tuple[dict[Any, Row], list[Damage]]:
    """What can be read, by key, and what is wrong with it; from both ends where a table is torn."""
    query = f"{selected(table, form)} ORDER BY rowid"
    rows, error = _read(connection, query)
    found = {_key(row[0]): row for row in rows}
    wrong = _repeated(table, rows, found)
    if error is not None:
        behind = f"behind row {_text(rows[-1][0])}, " if rows else ""
        wrong = [Damage(table, "", f"cannot be read to its end ({behind}{in_one_line(error)})")]
        found |= {_key(row[0]): row for row in _read(connection, f"{query} DESC")[0]}
    for key, row in found.items():
        if (reason := _reason(table, row, form)) is not None:
            wrong.append(Damage(table, _text(key), reason))
    return found, wrong


def _read(connection: sqlite3.Connection, query: str) -> tuple[list[Row], Exception | None]:
    """Rows up to the first that cannot be read, and why."""
    rows: list[Row] = []
    try:
        rows.extend(connection.execute(query))
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return rows, error
    return rows, None


def _reason(table: Table, row: Row, form: int) -> str | None:
    """Why a row is not what was written; None: it is."""
    if form > 1:
        return None if checksum(table, row[:-1]) == row[-1] else "its checksum differs"
    try:
        VALUES[table](row[:-1])
    except NO_ROW as error:
        return f"is none that a run writes ({in_one_line(error)})"
    return None


def _repeated(table: Table, rows: Sequence[Row], found: Mapping[Any, Any]) -> list[Damage]:
    """Keys that stand there again, as where a page lies twice in the file."""
    if len(rows) == len(found):
        return []
    again = (key for key, count in Counter(row[0] for row in rows).items() if count > 1)
    return [Damage(table, _text(key), "stands there twice") for key in again]


def _chain(
    connection: sqlite3.Connection, found: Checksums, damaged: AbstractSet[tuple[str, str]] = frozenset()
) -> list[Damage]:
    """Commits that do not follow from each other, or name other rows than are found.

    A commit of `damaged` rows, (table, row), may differ: they are told already.
    """
    wrong: list[Damage] = []
    unnamed = {table: dict(rows) for table, rows in found.items()}
    before, link_before, also = 0, 0, 0  # the last commit; its checksum, stored and computed
    rows, error = _read(connection, "SELECT id, wrote, crc FROM commits ORDER BY rowid")
    for number, wrote, crc in rows:
        follows = number == before + 1
        if not follows:
            wrong.append(Damage("commits", _span(before + 1, number - 1), "is lost"))
        try:
            named = from_json(wrote)
            checksums: list[Any] = []
            for table, keys in named.items():
                take = unnamed[table].pop
                checksums += [take(key, None) for key in keys]
            known = [c if type(c) is int else 0 for c in checksums]
            computed = link(link_before, number, wrote, known)
            sound = computed == crc or link(also, number, wrote, known) == crc
        except NO_ROW:
            wrong.append(Damage("commits", str(number), "is none that a run writes"))
            before, link_before, also = number, 0, 0
            continue
        if not sound or None in checksums:
            places = [(table, _text(key)) for table, keys in named.items() for key in keys]
            lost = [place for place, c in zip(places, checksums, strict=True) if c is None]
            wrong += [Damage(*place, f"is lost; commit {number} wrote it") for place in lost]
            if not sound and follows and not lost and damaged.isdisjoint(places):
                wrong.append(Damage("commits", str(number), "its checksum differs"))
        before, link_before, also = number, crc, computed
    if error is not None:
        reason = f"cannot be read to its end (behind row {before}, {in_one_line(error)})"
        wrong.append(Damage("commits", "", reason))
    return wrong + [
        Damage(table, _text(key), "is in no commit") for table in unnamed for key in unnamed[table]
    ]


def _order(trials: Sequence[Row], results: Iterable[Any]) -> list[Damage]:
    """Where rows without checksums make no run: trials as (number, iteration, key, repeat_of)."""
    wrong: list[Damage] = []
    first: dict[Any, int] = {}
    evaluated = set()
    expected, current = 0, -1
    for number, iteration, key, repeat_of in trials:
        if number != expected:
            wrong.append(Damage("trials", _span(expected, number - 1), "is lost"))
        if iteration not in (max(0, current), current + 1):
            wrong.append(Damage("trials", str(number), f"is of iteration {_text(iteration)}"))
        if repeat_of != first.get(key):
            wrong.append(Damage("trials", str(number), "repeats no trial of its key"))
        elif repeat_of is None:
            evaluated.add(number)
        first.setdefault(key, number)
        expected, current = number + 1, iteration if isinstance(iteration, int) else current
    strange = [number for number in results if number not in evaluated]
    return wrong + [Damage("results", _text(n), "is of no trial that is evaluated") for n in strange]


def _pages(connection: sqlite3.Connection) -> list[Damage]:
    """What SQLite itself finds."""
    try:
        told = [_text(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        told = [in_one_line(error)]
    lines = (line for text in told for line in text.splitlines() if not line.startswith("***"))
    return [Damage("file", "", line) for line in lines if line != "ok"]


def _key(stored: Any) -> Any:
    """As commits name it: text or number."""
    return stored.decode(errors="backslashreplace") if isinstance(stored, bytes) else stored


def _text(key: Any) -> str:
    return str(_key(key))


def _span(first: int, last: int) -> str:
    return str(first) if last <= first else f"{first} to {last}"
