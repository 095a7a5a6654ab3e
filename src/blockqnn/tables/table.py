"""A table file: designs, and what was measured of each, in columns."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blockqnn.errors import InputError
from blockqnn.npz import read_arrays
from blockqnn.records import Measurement, Task
from blockqnn.strategy.traits import Traits
from blockqnn.tables.designs import designs, values
from blockqnn.tables.space import TableSpace

SIZES = ("flops", "mflops", "params")  # columns that tell of size, the one that tells more first
_SAME = "iso_class"
_DESCRIBES = ("ops", "op_names", "adj", "codes", "edges")  # arrays that are no columns


class Table:
    """A measured search space.

    The file is an .npz of N rows: `ops` (N, L) into `op_names` are chains of L choices; with `adj`
    (N, V, V) they are graphs of V vertices (-1 input, -2 output, -3 padding); `codes` (N,) are
    blocks as text. Every other array of N numbers is a column; `iso_class` names rows that are the
    same architecture. InputError where a file is not of this form.
    """

    def __init__(self, path: Path, *, architectures: bool = True) -> None:
        """With `architectures` rows of one architecture share a key; else each has its own."""
        self.where = f"table {path}"
        arrays = read_arrays(path, "table")
        rows = designs(arrays, self.where)
        self.columns: dict[str, NDArray[Any]] = {
            name: array
            for name, array in arrays.items()
            if array.shape == (len(rows),) and array.dtype.kind in "iufb" and name not in _DESCRIBES
        }
        same = self.columns.get(_SAME)
        keys = [design.key for design in rows] if same is None else same.tolist()
        self.space = TableSpace(rows, keys if architectures else range(len(rows)))
        self.distinct = len(set(keys)) if architectures else len(rows)
        self._values = values(rows)
        self._sizes = [np.log(self.column(n)) for n in SIZES if n in self.columns and self._positive(n)]

    def traits(self, episode: Sequence[Any]) -> Traits:
        """What a model may know of a row: its choices, and how large it is; nothing measured."""
        row = self.space.row[tuple(episode)]
        sizes = tuple(float(column[row]) for column in self._sizes)
        return Traits(float(self.log_sizes[row]), (*sizes, *self._values[row].tolist()))

    @cached_property
    def log_sizes(self) -> NDArray[Any]:
        """How large each row is (natural logarithm); zeros where the table does not tell."""
        return self._sizes[0] if self._sizes else np.zeros(len(self._values))

    def _positive(self, name: str) -> bool:
        return bool((self.column(name) > 0).all())

    def column(self, name: str) -> NDArray[Any]:
        """A column of measurements; InputError that lists the columns, or for what is no number."""
        if name not in self.columns:
            known = ", ".join(self.columns)
            raise InputError(f"{self.where}: has no column {name!r}; it has {known}")
        column = self.columns[name].astype(float)
        if (strange := ~_finite(column)).any():
            raise InputError(f"{self.where}: {strange.sum()} values of {name!r} are no finite numbers")
        return column


def _finite(column: NDArray[Any]) -> NDArray[Any]:
    return abs(column) < float("inf")


class TableEvaluator:
    """An instant evaluation: looks the accuracy (percent) up."""

    def __init__(self, table: Table, column: str) -> None:
        """InputError where the column is no accuracy in percent."""
        self._space, self._accuracy = table.space, table.column(column)
        low, high = self._accuracy.min(), self._accuracy.max()
        if not 0 <= low <= high <= 100:
            raise InputError(
                f"{table.where}: {column!r} goes from {low:g} to {high:g}; accuracies are percent,"
                " 0 to 100"
            )

    def __call__(self, task: Task) -> Measurement:
        accuracy = float(self._accuracy[self._space.row_of(task.code)])
        return Measurement(accuracy=accuracy, flops=0, params=0)
