"""Complete tables of chains: each row is one choice at each of L positions, with measurements."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from blockqnn.errors import InputError
from blockqnn.npz import read_arrays
from blockqnn.records import Failure, Measurement, Task

ChainState = tuple[int, int]  # (position, last choice)


class ChainTable:
    """A table file as an MDP: the state is the position and the last choice.

    The file is an .npz with `ops` (N, L) of choices into `op_names` and columns of length N;
    `iso_class`, where present, names rows that are the same architecture. Raises InputError when
    the rows are not all chains of the space, each once.
    """

    start: ChainState = (0, -1)

    def __init__(self, path: Path, *, architectures: bool = False) -> None:
        """With `architectures`, rows of one `iso_class` share a key; else each row has its own."""
        arrays = read_arrays(path, "table")
        if "ops" not in arrays or "op_names" not in arrays or "adj" in arrays:
            raise InputError(f"table {path}: is not one of chains (`ops`, `op_names`, no `adj`)")
        ops, names = arrays["ops"], arrays["op_names"]
        if ops.ndim != 2 or ops.dtype.kind not in "iu" or names.ndim != 1:
            raise InputError(f"table {path}: `ops` must be (N, L) whole numbers, `op_names` a list")
        self.op_names = tuple(str(name) for name in names)
        self.length = ops.shape[1]
        self._row = {tuple(chain): row for row, chain in enumerate(ops.tolist())}
        legal = sum(all(0 <= op < len(names) for op in chain) for chain in self._row)
        if not legal == len(ops) == len(names) ** self.length:
            raise InputError(
                f"table {path}: {legal} different chains of {len(names)} ops in {len(ops)} rows; a"
                f" complete table has {len(names)}^{self.length}, each once"
            )
        self.columns: dict[str, NDArray[Any]] = {
            n: a for n, a in arrays.items() if a.shape == (len(ops),) and a.dtype.kind in "iuf"
        }
        self._iso = self.columns.get("iso_class") if architectures else None
        if architectures and self._iso is None:
            raise InputError(f"table {path}: has no column `iso_class`")
        self._actions = tuple(range(len(self.op_names)))
        self._kinds = tuple((a,) for a in self._actions)

    def actions(self, state: ChainState) -> tuple[int, ...]:
        return self._actions if state[0] < self.length else ()

    def kinds(self, state: ChainState) -> tuple[tuple[int, ...], ...]:
        return self._kinds if state[0] < self.length else ()

    def step(self, state: ChainState, action: int) -> ChainState:
        return (state[0] + 1, action)

    def key(self, episode: Sequence[int]) -> str:
        row = self._row[tuple(episode)]
        return str(row) if self._iso is None else str(int(self._iso[row]))

    def text(self, episode: Sequence[int]) -> str:
        return " ".join(self.op_names[action] for action in episode)

    def episode(self, text: str) -> tuple[int, ...]:
        return tuple(self.op_names.index(name) for name in text.split())

    def column(self, name: str) -> NDArray[Any]:
        """A column of measurements, or InputError that lists the columns."""
        if name not in self.columns:
            raise InputError(f"column {name!r} is not in the table; it has {', '.join(self.columns)}")
        return self.columns[name]

    def evaluator(self, column: str) -> "TableEvaluator":
        return TableEvaluator(self, column)


class TableEvaluator:
    """An instant evaluation: looks the accuracy (percent) up."""

    def __init__(self, table: ChainTable, column: str) -> None:
        self._table = table
        self._accuracy = table.column(column)
        self._row = table._row

    def __call__(self, task: Task) -> Measurement | Failure:
        row = self._row[self._table.episode(task.code)]
        return Measurement(accuracy=float(self._accuracy[row]), flops=0, params=0)
