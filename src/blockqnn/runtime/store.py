"""The store: one SQLite file a run, one writer, every answer durable before it counts.

journal_mode=DELETE with synchronous=EXTRA survives power loss; what is ready goes into one
commit. Nothing is ever changed or deleted: the state of a search is a fold over the rows.
"""

import json
import shlex
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from blockqnn.errors import InputError
from blockqnn.place import sync_entries
from blockqnn.records import OUTCOME, Observation, Result, Trial
from blockqnn.runtime.pace import Event

DATABASE, LOCK, CONFIG = "run.sqlite3", "run.lock", "config.yaml"
SCHEMA_VERSION = 1
_OURS = {DATABASE, f"{DATABASE}-journal", LOCK, CONFIG}
_TABLES = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE trials (number INTEGER PRIMARY KEY, iteration INTEGER NOT NULL, code TEXT NOT NULL,"
    " key TEXT NOT NULL, density REAL, redrawn INTEGER NOT NULL,"
    " redrawn_steps INTEGER NOT NULL, repeat_of INTEGER)",
    "CREATE TABLE results (number INTEGER PRIMARY KEY REFERENCES trials, outcome TEXT NOT NULL,"
    " observed TEXT NOT NULL)",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class NotWritten(RuntimeError):
    """A commit failed, most often for want of space; everything committed before is kept."""

    def __init__(self, directory: Path, error: sqlite3.Error) -> None:
        again = shlex.join(["blockqnn", "search", "--run", str(directory)])
        super().__init__(
            f"run {directory}: cannot be written ({error}); what was done before is kept, go on with:"
            f" {again}"
        )


class Store:
    """A run's rows. Writers hold the directory's lock for as long as they live.

    Use `create`, `resume` or `read`; close it when done, or use it as a context manager.
    """

    def __init__(self, directory: Path, connection: sqlite3.Connection, lock: FileLock | None) -> None:
        self.directory = directory
        self._connection = connection
        self._lock = lock

    @classmethod
    def create(cls, directory: Path, facts: Mapping[str, Any]) -> "Store":
        """A new run in a directory that is missing or empty, with facts that never change."""
        refuse_unless_fresh(directory)
        directory.mkdir(parents=True, exist_ok=True)
        sync_entries(directory)
        _roll_back_if_interrupted(directory)
        lock = _locked(directory)
        try:
            if _holds_pages(directory):
                raise InputError(f"run directory {directory}: holds a run already")
            store = cls(directory, _writing(_connect(directory, "rwc")), lock)
            with store._transaction() as connection:
                for statement in _TABLES:
                    connection.execute(statement)
                rows = ((name, json.dumps(value, allow_nan=False)) for name, value in facts.items())
                connection.executemany("INSERT INTO facts VALUES (?, ?)", rows)
        except BaseException:
            lock.release()
            raise
        return store

    @classmethod
    def resume(cls, directory: Path) -> "Store":
        """An existing run, to go on with it."""
        _require_run(directory)
        lock = _locked(directory)
        try:
            return cls(directory, _writing(_checked(_connect(directory, "rw"), directory)), lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def read(cls, directory: Path) -> "Store":
        """An existing run, to look at it; beside a live writer too."""
        _require_run(directory)
        _roll_back_if_interrupted(directory)
        return cls(directory, _checked(_connect(directory, "ro"), directory), None)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def facts(self) -> dict[str, Any]:
        with self._damage_told():
            rows = self._connection.execute("SELECT name, value FROM facts")
            return {name: json.loads(value) for name, value in rows}

    def trials(self, first: int = 0, most: int | None = None) -> list[Trial]:
        """Trials in order of their numbers, from the first one on: all, or so many at most."""
        names = tuple(Trial.model_fields)
        rows = self._rows(f"SELECT {', '.join(names)} FROM trials", first, most)
        with self._damage_told():
            return [Trial(**dict(zip(names, row, strict=True))) for row in rows]

    def results(self, first: int = 0, most: int | None = None) -> list[Result]:
        """Results in order of their trials' numbers, as of `trials`. Repeats have none of their own."""
        rows = self._rows("SELECT number, outcome, observed FROM results", first, most)
        with self._damage_told():
            return [
                Result(
                    number=number,
                    outcome=OUTCOME.validate_json(outcome),
                    observed=Observation.model_validate_json(observed),
                )
                for number, outcome, observed in rows
            ]

    def _rows(self, query: str, first: int, most: int | None) -> list[tuple[Any, ...]]:
        """Fetched at once, so that no writer waits while they are made into values."""
        with self._damage_told():
            limited = f"{query} WHERE number >= ? ORDER BY number LIMIT ?"
            return self._connection.execute(limited, (first, -1 if most is None else most)).fetchall()

    def events(self) -> list[Event]:
        """What happened besides trials, in order."""
        with self._damage_told():
            rows = self._connection.execute("SELECT kind, body FROM events ORDER BY id")
            return [(kind, json.loads(body)) for kind, body in rows]

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        """InputError where pages or rows are not what a run wrote."""
        try:
            yield
        except sqlite3.OperationalError:  # the machine's fault, not the file's
            raise
        except (sqlite3.DatabaseError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"run {self.directory}: {DATABASE} is damaged ({reason})") from None

    def add(
        self,
        trials: Sequence[Trial] = (),
        results: Sequence[Result] = (),
        events: Sequence[Event] = (),
    ) -> None:
        """All in one commit; returns when it is durable."""
        if not (trials or results or events):
            return
        with self._transaction() as connection:
            names = tuple(Trial.model_fields)
            places = ", ".join(f":{name}" for name in names)
            connection.executemany(
                f"INSERT INTO trials ({', '.join(names)}) VALUES ({places})",
                [trial.model_dump() for trial in trials],
            )
            connection.executemany(
                "INSERT INTO results VALUES (?, ?, ?)",
                [
                    (
                        r.number,
                        r.outcome.model_dump_json(exclude_none=True),
                        r.observed.model_dump_json(),
                    )
                    for r in results
                ],
            )
            connection.executemany(
                "INSERT INTO events (kind, body) VALUES (?, ?)",
                [(kind, json.dumps(body, allow_nan=False)) for kind, body in events],
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):  # SQLite has rolled back itself where the disk was full
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise NotWritten(self.directory, error) from error
            raise


def is_searched(directory: Path) -> bool:
    """Whether a process holds the run's lock, a search or what else writes; nothing is written.

    The lock is shared for an instant where it is free. False where files have no such locks.
    """
    try:
        import fcntl
    except ImportError:  # not POSIX
        return False
    try:
        with (directory / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock was ever taken here, as in a copied run
        return False
    return False


def is_run(directory: Path) -> bool:
    """Whether the directory holds a run that was begun."""
    _roll_back_if_interrupted(directory)
    return _holds_pages(directory)


def _holds_pages(directory: Path) -> bool:
    path = directory / DATABASE
    return path.is_file() and path.stat().st_size > 0


def refuse_unless_fresh(directory: Path) -> None:
    """InputError unless the directory is missing, empty, or what a killed start left."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"run directory {directory}: is a file")
    strange = sorted({p.name for p in directory.glob("*")} - _OURS)
    if strange:
        raise InputError(
            f"run directory {directory}: holds {strange[0]} and no run; name an empty or a new one"
        )


def _require_run(directory: Path) -> None:
    if not directory.is_dir():
        raise InputError(f"run {directory}: no such directory")
    if not is_run(directory):
        raise InputError(f"run {directory}: holds no run (no {DATABASE})")


def _locked(directory: Path) -> FileLock:
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"run {directory}: is in use by another process") from None
    return lock


def _connect(directory: Path, mode: str) -> sqlite3.Connection:
    path = (directory / DATABASE).absolute()
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 30000")
    return connection


def _writing(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _checked(connection: sqlite3.Connection, directory: Path) -> sqlite3.Connection:
    """The connection, if this is a run file of our version."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("SELECT count(*) FROM facts").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InputError(f"run {directory}: {DATABASE} is no run file ({error})") from None
    if version != SCHEMA_VERSION:
        connection.close()
        raise InputError(
            f"run {directory}: written in format {version}, this version reads {SCHEMA_VERSION}"
        )
    return connection


def _roll_back_if_interrupted(directory: Path) -> None:
    """Undoes the commit that a killed writer left half done, unless a writer lives.

    A reader may not, and a first commit half done would look like a run.
    """
    if not (directory / f"{DATABASE}-journal").exists():
        return
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # a live writer's journal, or a directory that nobody can write
        return
    try:
        with suppress(sqlite3.DatabaseError), closing(_connect(directory, "rw")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        lock.release()
