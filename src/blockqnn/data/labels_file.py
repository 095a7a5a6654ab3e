"""A CSV file that names images, their classes and, if wanted, their groups and parts."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from blockqnn.data.folder import files_source
from blockqnn.data.source import PART_OF, TRAIN, FileStamp, Origin, Source, numbered, stamp
from blockqnn.errors import InputError

_PART = {name: PART_OF[name] for name in ("train", "val", "validation", "test")}


class _Row(NamedTuple):
    path: str
    label: str
    group: str
    part: str
    line: int


def labels_file(table: Path, directory: Path | None) -> Origin:
    """The images of the rows `path,label[,group][,part]`; paths count from the directory, or else
    from the file's own.

    Raises InputError that names the line and what is wrong with it.
    """
    rows = _rows(table)
    base = directory or table.parent
    files = [FileStamp.of(table)]
    for row in rows:
        try:
            files.append(FileStamp.of(base / row.path))
        except (OSError, ValueError):  # ValueError: a NUL in the path
            raise InputError(
                f"labels {table}, line {row.line}: no file {row.path!r} in {base.absolute()}"
            ) from None
    return Origin(
        stamp(f"labels {base.absolute()}", files), lambda: _source(table, base, rows, files[1:])
    )


def _rows(table: Path) -> list[_Row]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = [name.strip() for name in reader.fieldnames or ()]
            for needed in ("path", "label"):
                if needed not in header:
                    raise InputError(
                        f"labels {table}: no column {needed!r} in the first line, which has"
                        f" {', '.join(header)[:80] or 'nothing'}; wanted are path,label[,group][,part]"
                    )
            reader.fieldnames = header
            rows = [_row(table, line, reader.line_num) for line in reader]
    except FileNotFoundError:
        raise InputError(f"labels {table}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"labels {table}: cannot be read as CSV ({error})") from None
    if not rows:
        raise InputError(f"labels {table}: no rows below the header")
    return rows


def _row(table: Path, values: dict[str, str | None], line: int) -> _Row:
    given = {name: (values.get(name) or "").strip() for name in ("path", "label", "group", "part")}
    for needed in ("path", "label"):
        if not given[needed]:
            raise InputError(f"labels {table}, line {line}: no {needed}")
    if given["part"] and given["part"] not in _PART:
        raise InputError(
            f"labels {table}, line {line}: part {given['part']!r}; allowed are train, val and test"
        )
    return _Row(**given, line=line)


def _source(table: Path, base: Path, rows: list[_Row], files: list[FileStamp]) -> Source:
    classes, labels = numbered([row.label for row in rows])
    parts = [_PART[row.part] if row.part else TRAIN for row in rows]
    # a row without a group is a group of its own: its path, behind a mark that no CSV cell holds
    groups = tuple(row.group or f"\0{row.path}" for row in rows)
    grouped = any(row.group for row in rows)
    images = files_source([file.path for file in files], base)
    return Source(
        table.stem, classes, images, labels, np.array(parts, np.int8), groups if grouped else None
    )
