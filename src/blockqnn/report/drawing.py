"""A block as text for a terminal: rails in the manner of a commit graph, and the same in words.

    ○     0  input
    ●     1  identity  from input
    ├─●   2  conv 3x3  from 1
    │ ●   3  conv 3x3  from 2
    ●─╯   4  add       from 1 + 3  → output
    ◎        output = 4

A tensor occupies a rail from its own row to the last one that reads it, dotted where only the
output does. A row's line is joined to the rails that it reads; it passes under the others, which
stay unbroken: `├─│─●` reads the left one.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from types import MappingProxyType

from blockqnn.space.code import Block, Layer, Op, layer_name

_INPUT, _LAYER, _OUTPUT = "○", "●", "◎"
_RAIL, _LEAF_RAIL = "│", "┊"
_JOINTS: Mapping[str, str] = MappingProxyType(  # sides with a line (up, down, left, right) -> sign
    {"": " ", "lr": "─", "udr": "├", "udl": "┤", "udlr": "┼", "ur": "╰", "ul": "╯", "ulr": "┴"}
)

_Reads = Sequence[Sequence[int]]  # of each row, the rows whose tensors it reads
_Cells = tuple[str, str, str, str]  # of one row: index, name, what it reads, where it goes


def draw(block: Block) -> str:
    """The drawing: a row for the input, one for each layer in order, one for the output."""
    rows = zip(_pictures(block), _aligned(_words(block)), strict=True)
    return "\n".join(f"{picture}  {words}".rstrip() for picture, words in rows)


def _words(block: Block) -> list[_Cells]:
    leaves = block.leaves
    output = f"output = {'concat of ' if len(leaves) > 1 else ''}{_listed(leaves)}"
    return [
        ("0", "input", "", ""),
        *(
            (str(x.index), layer_name(x), _source(x), "→ output" * (x.index in leaves))
            for x in block.layers
        ),
        ("", output, "", ""),
    ]


def _source(layer: Layer) -> str:
    return f"from {_listed(layer.preds, ' + ' if layer.op is Op.ADD else ', ')}"


def _listed(indices: Iterable[int], separator: str = ", ") -> str:
    return separator.join(str(i) if i else "input" for i in indices)


def _aligned(rows: Sequence[_Cells]) -> list[str]:
    """One line a row, the layers' cells under each other; numbers are flush right."""
    index, *widths = (max(map(len, column)) for column in zip(*rows[1:-1], strict=True))
    return [
        "  ".join((number.rjust(index), *(c.ljust(w) for c, w in zip(cells, widths, strict=True))))
        for number, *cells in rows
    ]


def _pictures(block: Block) -> list[str]:
    """Each row's piece of the rails, all of one width."""
    reads = ((), *(layer.preds for layer in block.layers), block.leaves)
    last = _last_readers(reads)
    rails = _rails(reads, last)
    return [_picture(row, reads, last, rails) for row in range(len(reads))]


def _last_readers(reads: _Reads) -> list[int]:
    """Of each row, the last row that reads its tensor; of the output, which none reads, itself."""
    last = list(range(len(reads)))
    for row, preds in enumerate(reads):
        for p in preds:
            last[p] = row
    return last


def _rails(reads: _Reads, last: Sequence[int]) -> list[int]:
    """Of each row, the rail of its tensor; in all, no more than tensors alive at one time.

    A row takes over a rail that ends in it, so that a chain stays in one column. Where none ends
    it takes a free one, and a new one only where none is free; always the leftmost.
    """
    rails: list[int] = []
    for row, preds in enumerate(reads):
        ending = [rails[p] for p in preds if last[p] == row]
        alive = {rails[t] for t in range(row) if last[t] >= row}
        free = set(rails) - alive or {len(alive)}
        rails.append(min(ending or free))
    return rails


def _picture(row: int, reads: _Reads, last: Sequence[int], rails: Sequence[int]) -> str:
    """The rails in one row: its node, its joints, and what passes by."""
    node, output = rails[row], len(reads) - 1
    joined = {rails[p] for p in reads[row]}
    start, end = min({node, *joined}), max({node, *joined})
    alive = {rails[t]: last[t] for t in range(row) if last[t] >= row}

    def cell(rail: int) -> str:
        if rail == node:
            return {0: _INPUT, output: _OUTPUT}.get(row, _LAYER)
        if rail in alive and rail not in joined:
            return _LEAF_RAIL if alive[rail] == output else _RAIL
        up, down = rail in alive, alive.get(rail, row) > row
        lines = (up, down, start < rail <= end, start <= rail < end)
        return _JOINTS["".join(compress("udlr", lines))]

    return "".join(cell(r) + ("─" if start <= r < end else " ") for r in range(max(rails) + 1))
