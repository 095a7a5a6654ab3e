"""The designs of a table as categorical parameters, as users of other optimizers would write them."""

from collections.abc import Collection, Mapping, Sequence
from itertools import permutations
from typing import Any, Protocol

from blockqnn.tables.designs import Vertex
from blockqnn.tables.space import TableSpace

Form = tuple[tuple[str, ...], tuple[tuple[int, int], ...]]
Edges = Collection[tuple[int, int]]
NO, YES = "no", "yes"


class Encoding(Protocol):
    choices: Mapping[str, tuple[str, ...]]  # of each parameter

    def row(self, chosen: Mapping[str, str]) -> int | None:
        """The row of that design, None where the table does not have it."""
        ...


def encoding(space: TableSpace) -> Encoding:
    return (Graphs if isinstance(space.episodes[0][-1], Vertex) else Chains)(space)


class Chains:
    """An operation for each position."""

    def __init__(self, space: TableSpace) -> None:
        chains = [tuple(space.text(episode).split()) for episode in space.episodes]
        self._rows = {chain: row for row, chain in enumerate(chains)}
        columns = zip(*chains, strict=True)
        self.choices = {f"op{n}": tuple(sorted(set(column))) for n, column in enumerate(columns)}

    def row(self, chosen: Mapping[str, str]) -> int | None:
        return self._rows.get(tuple(chosen[name] for name in self.choices))


class Graphs:
    """An operation for each inner vertex, and for each pair of vertices whether there is an edge.

    Vertices on no path from the input to the output are dropped, and graphs that differ only in the
    order of their vertices are the same row, both as in NAS-Bench-101.
    """

    def __init__(self, space: TableSpace) -> None:
        forms = [_form_of(episode) for episode in space.episodes]
        self._rows = {form: row for row, form in enumerate(forms)}
        self._last = max(map(len, space.episodes))
        ops = tuple(sorted({op for names, _ in forms for op in names}))
        pairs = [(a, b) for b in range(1, self._last + 1) for a in range(b)]
        self._edges = {f"edge{a}-{b}": (a, b) for a, b in pairs}
        vertices = {f"op{vertex}": ops for vertex in range(1, self._last)}
        self.choices = vertices | dict.fromkeys(self._edges, (NO, YES))

    def row(self, chosen: Mapping[str, str]) -> int | None:
        edges = {edge for name, edge in self._edges.items() if chosen[name] == YES}
        used = sorted(_reached(edges, 0) & _reached({(b, a) for a, b in edges}, self._last))
        if not used:
            return None
        place = {vertex: number for number, vertex in enumerate(used)}
        kept = [(place[a], place[b]) for a, b in edges if a in place and b in place]
        return self._rows.get(_form([chosen[f"op{vertex}"] for vertex in used[1:-1]], kept))


def _reached(edges: Edges, start: int) -> set[int]:
    reached, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        new = {b for a, b in edges if a == here} - reached
        reached |= new
        waiting += new
    return reached


def _form_of(episode: Sequence[Any]) -> Form:
    edges = [(a, b) for b, vertex in enumerate(episode, 1) for a in vertex.preds]
    return _form([str(vertex.op) for vertex in episode[:-1]], edges)


def _form(ops: Sequence[str], edges: Edges) -> Form:
    """Equal for graphs that differ in the order of their inner vertices: the least of all orders."""
    last = len(ops) + 1
    forms = []
    for order in permutations(range(1, last)):
        place = {0: 0, last: last} | {vertex: number for number, vertex in enumerate(order, 1)}
        moved = tuple(sorted((place[a], place[b]) for a, b in edges))
        forms.append((tuple(ops[vertex - 1] for vertex in order), moved))
    return min(forms)
