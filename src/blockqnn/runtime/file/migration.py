"""A run file of an older format, rewritten in today's when its run goes on."""

import sqlite3
from pathlib import Path

from blockqnn.place import replace_file
from blockqnn.runtime.file.schema import Row, Table, lay_out, selected, write

BACKUP = ".format-1"  # behind the file's name
_ORDER: tuple[Table, ...] = ("results", "trials", "events", "facts")  # children go first


def leave_copy(path: Path) -> None:
    """A copy beside the file. Not in a transaction: to close the file here ends SQLite's own locks."""
    replace_file(path.with_name(f"{path.name}{BACKUP}"), path.read_bytes())


def migrate(connection: sqlite3.Connection) -> None:
    """Rewrites a file of format 1 in the transaction that is open.

    Values stay as they are to the byte; all rows are one commit.
    """
    rows = {table: _stored(connection, table) for table in reversed(_ORDER)}
    for table in _ORDER:
        connection.execute(f"DROP TABLE {table}")
    lay_out(connection)
    write(connection, rows)


def _stored(connection: sqlite3.Connection, table: Table) -> list[Row]:
    found = connection.execute(f"{selected(table, 1)} ORDER BY rowid").fetchall()
    return [tuple(v.decode() if isinstance(v, bytes) else v for v in row[:-1]) for row in found]
