"""The store: one SQLite file a run, one writer, every answer durable before it counts.

journal_mode=DELETE with synchronous=EXTRA survives power loss; what is ready goes into one
commit. Nothing is ever changed or deleted: the state of a search is a fold over the rows. Rows prove
themselves (`schema.py`): whoever reads refuses a damaged file.
"""

import shlex
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from blockqnn.errors import InputError
from blockqnn.place import sync_entries
from blockqnn.records import Result, Trial
from blockqnn.runtime.file.disk import Patience, make_directory, refuse_network_disk
from blockqnn.runtime.file.lock import LOCK, OWNER, Lock
from blockqnn.runtime.file.migration import leave_copy, migrate
from blockqnn.runtime.file.rest import collector_at_rest
from blockqnn.runtime.file.run_file import (
    DATABASE,
    connect,
    holds_pages,
    opened,
    roll_back_if_interrupted,
    writing,
)
from blockqnn.runtime.file.schema import (
    FORMAT,
    VALUES,
    Row,
    Table,
    checksum,
    event_rows,
    fact_rows,
    lay_out,
    result_row,
    selected,
    trial_row,
    write,
)
from blockqnn.runtime.file.verify import (
    NO_ROW,
    TABLES,
    UNREADABLE,
    Damage,
    Examined,
    examined,
    gaps,
    in_one_line,
    is_damage,
)
from blockqnn.runtime.pace import Event

CONFIG = "config.yaml"
_OURS = {DATABASE, f"{DATABASE}-journal", LOCK, OWNER, CONFIG}


class NotWritten(RuntimeError):
    """A commit failed, for want of space or by a fault of the disk; what was committed is kept."""

    def __init__(self, directory: Path, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        self.full, self.faulty = code == sqlite3.SQLITE_FULL, code == sqlite3.SQLITE_IOERR
        check = f" verify it with: {_command('check', directory)};" if self.faulty else ""
        super().__init__(
            f"run {directory}: cannot be written ({error}); what was done before is kept,{check} go on"
            f" with: {_command('search', '--run', directory)}"
        )


class Store:
    """A run's rows. Writers hold the directory's lock for as long as they live.

    Use `create`, `resume` or `read`; close it when done, or use it as a context manager. A writer with
    `patience` waits for room on a full disk; without, `add` raises at once.
    """

    def __init__(
        self, directory: Path, connection: sqlite3.Connection, form: int, lock: Lock | None
    ) -> None:
        self.directory = directory
        self.patience: Patience | None = None
        self._connection = connection
        self._form = form
        self._lock = lock
        self._failed: NotWritten | None = None

    @classmethod
    def create(cls, directory: Path, facts: Mapping[str, Any]) -> "Store":
        """A new run in a directory that is missing or empty, with facts that never change."""
        refuse_unless_fresh(directory)
        make_directory(directory)
        sync_entries(directory)
        roll_back_if_interrupted(directory)
        lock = Lock(directory)
        try:
            if holds_pages(directory):
                raise InputError(f"run directory {directory}: holds a run already")
            store = cls(directory, writing(connect(directory, "rwc")), FORMAT, lock)
            with store._transaction() as connection:
                lay_out(connection)
                write(connection, {"facts": fact_rows(facts)})
        except BaseException:
            lock.release()
            raise
        return store

    @classmethod
    def resume(cls, directory: Path) -> "Store":
        """An existing run, to go on with it; InputError where anything of it is damaged.

        A file of format 1 is rewritten in today's, with a copy of it left beside.
        """
        _require_run(directory)
        refuse_network_disk(directory)
        lock = Lock(directory)
        try:
            connection, form = opened(directory, "rw")
            store = cls(directory, connection, form, lock)
            try:
                store._refuse(store.examined().damages)
                writing(connection)
                if form < FORMAT:
                    leave_copy(directory / DATABASE)
                    with store._transaction():
                        migrate(connection)
                    store._form = FORMAT
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        return store

    @classmethod
    def read(cls, directory: Path) -> "Store":
        """An existing run, to look at it; beside a live writer too.

        InputError where rows are lost or added; the rest is verified where it is read.
        """
        store = cls.look(directory)
        try:
            with store._damage_told():
                found = gaps(store._connection, store._form)
            store._refuse(store.examined().damages if found else [])
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def look(cls, directory: Path) -> "Store":
        """As `read`, but whatever befell it: for `examined`."""
        _require_run(directory)
        roll_back_if_interrupted(directory)
        return cls(directory, *opened(directory, "ro"), None)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    @property
    def form(self) -> int:
        """The format in which it is written."""
        return self._form

    def facts(self) -> dict[str, Any]:
        return dict(self._values("facts", "ORDER BY rowid", ()))

    def trials(self, first: int = 0, most: int | None = None) -> list[Trial]:
        """Trials in order of their numbers, from the first one on: all, or so many at most."""
        return self._numbered("trials", first, most)

    def results(self, first: int = 0, most: int | None = None) -> list[Result]:
        """Results in order of their trials' numbers, as of `trials`. Repeats have none of their own."""
        return self._numbered("results", first, most)

    def events(self) -> list[Event]:
        """What happened besides trials, in order."""
        return self._values("events", "ORDER BY id", ())

    def examined(self) -> Examined:
        """The whole file, row by row: what is sound of it, and all that is damaged."""
        try:
            return examined(self._connection, self._form)
        except UNREADABLE as error:  # not even which tables there are
            if not is_damage(error):
                raise
            return Examined(
                {table: {} for table in TABLES}, {}, [Damage("file", "", in_one_line(error))]
            )

    def _numbered(self, table: Table, first: int, most: int | None) -> list[Any]:
        chosen = "WHERE number >= ? ORDER BY number LIMIT ?"
        return self._values(table, chosen, (first, -1 if most is None else most))

    def _values(self, table: Table, chosen: str, parameters: tuple[int, ...]) -> list[Any]:
        """Rows as values; fetched at once, so that no writer waits while they are made."""
        value, sealed = VALUES[table], self._form > 1
        with self._damage_told(), collector_at_rest():
            query = f"{selected(table, self._form)} {chosen}"
            values = []
            for row in self._connection.execute(query, parameters).fetchall():
                stored = row[:-1]
                if sealed and checksum(table, stored) != row[-1]:
                    raise ValueError(f"a checksum of {table} differs")
                values.append(value(stored))
            return values

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        """InputError that names the first damage, where pages or rows are not what a run wrote."""
        try:
            yield
        except (*UNREADABLE, *NO_ROW) as error:
            if not is_damage(error):
                raise
            found = self.examined().damages
            self._refuse(found or [Damage("file", "", in_one_line(error))])

    def _refuse(self, found: Sequence[Damage]) -> None:
        """InputError where something is damaged."""
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            check = _command("check", self.directory)
            raise InputError(
                f"run {self.directory}: {DATABASE} is damaged ({found[0]}{more}); see: {check}"
            ) from None

    def add(
        self,
        trials: Sequence[Trial] = (),
        results: Sequence[Result] = (),
        events: Sequence[Event] = (),
    ) -> None:
        """All in one commit; returns when it is durable."""
        if not (trials or results or events):
            return
        while True:
            try:
                self._commit(trials, results, events)
            except NotWritten as error:
                if not (error.full and self.patience and self.patience.waited(self.directory)):
                    raise
            else:
                break
        if self.patience:
            self.patience.done()

    def _commit(
        self, trials: Sequence[Trial], results: Sequence[Result], events: Sequence[Event]
    ) -> None:
        with self._transaction() as connection:
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
            rows: dict[Table, list[Row]] = {
                "trials": [trial_row(trial) for trial in trials],
                "results": [result_row(result) for result in results],
                "events": event_rows(events, last),
            }
            write(connection, rows)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._failed is not None:  # what a faulty disk holds now is not known to this process
            raise self._failed
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):  # SQLite has rolled back itself where the disk was full
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                failure = NotWritten(self.directory, error)
                self._failed = failure if failure.faulty else None
                raise failure from error
            raise


def is_run(directory: Path) -> bool:
    """Whether the directory holds a run that was begun."""
    roll_back_if_interrupted(directory)
    return holds_pages(directory)


def refuse_unless_fresh(directory: Path) -> None:
    """InputError unless it is missing, empty or what a killed start left, and on a local disk."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"run directory {directory}: is a file")
    strange = sorted({p.name for p in directory.glob("*")} - _OURS)
    if strange:
        raise InputError(
            f"run directory {directory}: holds {strange[0]} and no run; name an empty or a new one"
        )
    refuse_network_disk(directory)


def _require_run(directory: Path) -> None:
    if not directory.is_dir():
        raise InputError(f"run {directory}: no such directory")
    if not is_run(directory):
        raise InputError(f"run {directory}: holds no run (no {DATABASE})")


def _command(*words: object) -> str:
    return shlex.join(["blockqnn", *map(str, words)])
