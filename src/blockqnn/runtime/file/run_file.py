"""The one file of a run: opened to read or to write, rolled back where a writer was killed."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from blockqnn.errors import InputError
from blockqnn.runtime.file.lock import LOCK
from blockqnn.runtime.file.schema import FORMAT
from blockqnn.runtime.file.verify import UNREADABLE, in_one_line, is_damage

DATABASE = "run.sqlite3"
# a view or trigger is a query that runs when a table is used, and need not end
_NOT_OURS = "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR rootpage = 0"


class NoRunFile(InputError):
    """What lies there was never a run's, or is damaged where it says so."""


def holds_pages(directory: Path) -> bool:
    """Whether something was ever committed to it."""
    path = directory / DATABASE
    return path.is_file() and path.stat().st_size > 0


def connect(directory: Path, mode: str) -> sqlite3.Connection:
    """A connection that gives text as bytes; mode: ro, rw or rwc, where the file may be new."""
    path = (directory / DATABASE).absolute()
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None)
    connection.text_factory = bytes
    connection.execute("PRAGMA busy_timeout = 30000")
    return connection


def writing(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection, set so that what it commits survives power loss."""
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def opened(directory: Path, mode: str) -> tuple[sqlite3.Connection, int]:
    """The connection to a run file of a format that this version reads, and which that is."""
    connection = connect(directory, mode)
    try:
        (form,) = connection.execute("PRAGMA user_version").fetchone()
        strange = connection.execute(_NOT_OURS).fetchone()
        if strange is None:
            connection.execute("SELECT count(*) FROM facts").fetchone()
    except UNREADABLE as error:
        connection.close()
        if not is_damage(error):
            raise
        raise NoRunFile(f"run {directory}: {DATABASE} is no run file ({in_one_line(error)})") from None
    if strange is not None:
        connection.close()
        what, name = (str(text, errors="replace") for text in strange)
        raise InputError(f"run {directory}: {DATABASE} is no run file (it holds the {what} {name[:60]})")
    if form not in range(1, FORMAT + 1):
        connection.close()
        raise InputError(f"run {directory}: written in format {form}, this version reads 1 to {FORMAT}")
    return connection, form


def roll_back_if_interrupted(directory: Path) -> None:
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
        with suppress(*UNREADABLE), closing(connect(directory, "rw")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        lock.release()
