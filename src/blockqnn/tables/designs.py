"""The designs that a table's rows stand for, as episodes: chains, graphs, or block codes."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockqnn.errors import InputError
from blockqnn.space.code import CodeError, Layer, parse, terminal
from blockqnn.space.graph import canonical_key
from blockqnn.space.structure import structure

_OUTPUT, _INPUT, _PADDING = -2, -1, -3  # in `ops` of graphs
Arrays = Mapping[str, NDArray[Any]]


class Choice(NamedTuple):
    """The operation at one position of a chain."""

    op: int


class Vertex(NamedTuple):
    """The next vertex of a graph: its operation and the vertices before it that it reads."""

    op: int  # _OUTPUT: the last one
    preds: tuple[int, ...]


class Design(NamedTuple):
    """One row: what an agent would have to choose, as text, and what equal designs share."""

    episode: tuple[Any, ...]
    text: str
    key: Hashable


def designs(arrays: Arrays, where: str) -> list[Design]:
    """The design of each row; InputError, which begins with `where`, for what is no table."""
    forms = {"codes": _blocks, "adj": _graphs, "ops": _chains}
    form = next((form for name, form in forms.items() if name in arrays), None)
    if form is None:
        raise InputError(f"{where}: has neither `ops` nor `codes`")
    found = list(form(arrays, where))
    counts = Counter(design.text for design in found)
    if not found:
        raise InputError(f"{where}: has no rows")
    if len(counts) < len(found):
        raise InputError(f"{where}: {counts.most_common(1)[0][0]} stands in it more than once")
    return found


def _blocks(arrays: Arrays, where: str) -> Iterator[Design]:
    codes = arrays["codes"]
    if codes.ndim != 1 or codes.dtype.kind != "U":
        raise InputError(f"{where}: `codes` must be (N,) text")
    for row, code in enumerate(codes.tolist()):
        try:
            block = parse(code)
        except CodeError as error:
            raise InputError(f"{where}: row {row}: {error}") from None
        end: tuple[Layer, ...] = (terminal(len(block.layers) + 1),)
        yield Design((*block.layers, *end), str(block), canonical_key(block))


def _chains(arrays: Arrays, where: str) -> Iterator[Design]:
    names, ops = _operations(arrays, where)
    if (strange := [op for op in set(ops.ravel().tolist()) if not 0 <= op < len(names)]) or not ops.size:
        raise InputError(f"{where}: `ops` of chains must be from 0 to {len(names) - 1}, not {strange}")
    for row, chain in enumerate(ops.tolist()):
        yield Design(tuple(map(Choice, chain)), " ".join(names[op] for op in chain), row)


def _graphs(arrays: Arrays, where: str) -> Iterator[Design]:
    names, ops = _operations(arrays, where)
    adjacent = arrays["adj"]
    if adjacent.shape != (*ops.shape, ops.shape[1]) or adjacent.dtype.kind not in "iub":
        raise InputError(f"{where}: `adj` must be (N, V, V) of 0 and 1 beside `ops` (N, V)")
    for row, (vertices, matrix) in enumerate(zip(ops.tolist(), adjacent.tolist(), strict=True)):
        used = [v for v, op in enumerate(vertices) if op != _PADDING]
        place = {v: number for number, v in enumerate(used)}
        kinds = [vertices[v] for v in used]
        edges = [(a, b) for a, line in enumerate(matrix) for b, edge in enumerate(line) if edge]
        inner = all(0 <= op < len(names) for op in kinds[1:-1])
        if not (inner and len(kinds) > 1 and kinds[0] == _INPUT and kinds[-1] == _OUTPUT):
            raise InputError(
                f"{where}: row {row}: `ops` must be {_INPUT} (input), operations from 0 to"
                f" {len(names) - 1}, and {_OUTPUT} (output), with {_PADDING} where there is no vertex"
            )
        if not all(a < b and a in place and b in place for a, b in edges):
            raise InputError(
                f"{where}: row {row}: `adj` must be upper triangular, without edges of padding"
            )
        episode = tuple(
            Vertex(kinds[place[v]], tuple(place[a] for a, b in edges if b == v)) for v in used[1:]
        )
        yield Design(episode, " ".join(_vertex_text(vertex, names) for vertex in episode), row)


def _vertex_text(vertex: Vertex, names: tuple[str, ...]) -> str:
    name = "output" if vertex.op == _OUTPUT else names[vertex.op]
    return f"{name}({','.join(map(str, vertex.preds))})"


def _operations(arrays: Arrays, where: str) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Names of the operations, blanks replaced, and `ops`."""
    if "op_names" not in arrays or "ops" not in arrays:
        raise InputError(f"{where}: needs `ops` and `op_names`")
    names, ops = arrays["op_names"], arrays["ops"]
    if ops.ndim != 2 or ops.dtype.kind not in "iu" or names.ndim != 1:
        raise InputError(f"{where}: `ops` must be (N, L) whole numbers, `op_names` a list")
    plain = tuple("_".join(str(name).split()) for name in names)
    if len(set(plain)) < len(plain) or "" in plain:
        raise InputError(f"{where}: `op_names` must differ, and none be empty")
    return plain, ops


def values(rows: Sequence[Design]) -> NDArray[Any]:
    """What a model may know of each design (N, n): structure of blocks, choices of chains and graphs."""
    if isinstance(rows[0].episode[-1], Layer):
        return np.array([structure(parse(row.text)) for row in rows])
    columns: dict[Hashable, int] = {}
    counts = [Counter(_said(row.episode)) for row in rows]
    for counted in counts:
        for what in counted:
            columns.setdefault(what, len(columns))
    found = np.zeros((len(rows), len(columns)))
    for row, counted in enumerate(counts):
        for what, number in counted.items():
            found[row, columns[what]] = number
    return found


def _said(episode: Iterable[Choice | Vertex]) -> Iterator[Hashable]:
    """The operation at each place, how often each is there, and the edges."""
    for place, action in enumerate(episode):
        yield action.op
        yield place, action.op
        if isinstance(action, Vertex):
            yield from ((place, "reads", pred) for pred in action.preds)
