"""A block as text for a terminal: rails in the manner of a commit graph, and the same in words.

    ○    0  input
    ●    1  identity  from input
    ├─●  2  conv 3x3  from 1
    │ ●  3  conv 3x3  from 2
    ●─╯  4  add       from 1 + 3  → output
    ◎       output = 4

One row a layer. A tensor occupies a rail from its own row to the last one that reads it, dotted
where only the output does. A row is joined to the rails that it reads; one in its way that it
does not read stays unbroken: `├─│─●`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from blockqnn.space.code import Block, Layer, Op, op_name

_INPUT, _LAYER, _OUTPUT = "○", "●", "◎"
_RAIL, _LEAF_RAIL = "│", "┊"
_JOINTS: Mapping[str, str] = MappingProxyType(  # by the sides on which a cell has a line
    {"": " ", "lr": "─", "udr": "├", "udl": "┤", "udlr": "┼", "ur": "╰", "ul": "╯", "ulr": "┴"}
)

_Reads = Sequence[Sequence[int]]  # of each row, the rows whose tensors it reads


def draw(block: Block) -> str:
    """The drawing: a row for the input, one for each layer in order, one for the output."""
    reads = ((), *(layer.preds for layer in block.layers), block.leaves)
    pairs = zip(_pictures(reads), _aligned(_words(block)), strict=True)
    return "\n".join(f"{picture}  {words}".rstrip() for picture, words in pairs)


def _words(block: Block) -> list[tuple[str, ...]]:
    """The cells of each row: index, name, what it reads, where a leaf goes."""
    return [
        ("0", "input"),
        *(
            (str(x.index), _name(x), _source(x), "→ output" if x.index in block.leaves else "")
            for x in block.layers
        ),
        ("", f"output = {'concat of ' if len(block.leaves) > 1 else ''}{_listed(block.leaves)}"),
    ]


def _name(layer: Layer) -> str:
    return op_name(layer.op) + (f" {layer.kernel}x{layer.kernel}" if layer.kernel else "")


def _source(layer: Layer) -> str:
    return f"from {_listed(layer.preds, ' + ' if layer.op is Op.ADD else ', ')}"


def _listed(indices: Iterable[int], separator: str = ", ") -> str:
    return separator.join(str(i) if i else "input" for i in indices)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each row's cells under each other; the last cell of a row may be longer than its column."""
    layers = rows[1:-1]
    widths = [max(map(len, column)) for column in zip(*layers, strict=True)]
    return [
        "  ".join([f"{row[0]:>{widths[0]}}", *(f"{c:<{w}}" for c, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]


def _pictures(reads: _Reads) -> list[str]:
    """Each row's piece of the rails, all of one width."""
    last = _last_reads(reads)
    rails = _rails(reads, last)
    return [_picture(row, reads, last, rails) for row in range(len(reads))]


def _last_reads(reads: _Reads) -> list[int]:
    """Of each row, the last row that reads its tensor; the output row itself, which none reads."""
    last = list(range(len(reads)))
    for row, preds in enumerate(reads):
        for p in preds:
            last[p] = row
    return last


def _rails(reads: _Reads, last: Sequence[int]) -> list[int]:
    """Of each row, the rail of its tensor; together as few as there are tensors alive at a time.

    A row takes over a rail that ends in it, so that a chain stays in one column. Where none ends
    it opens the free rail that makes its line shortest, and a new one only where none is free.
    """
    rails: list[int] = []
    for row, preds in enumerate(reads):
        joined = [rails[p] for p in preds]
        ending = [rails[p] for p in preds if last[p] == row]
        alive = {rails[t] for t in range(row) if last[t] >= row}
        free = set(rails) - alive or {len(alive)}
        rails.append(min(ending or free, key=lambda r: (max(*joined, r, r) - min(*joined, r, r), r)))
    return rails


def _picture(row: int, reads: _Reads, last: Sequence[int], rails: Sequence[int]) -> str:
    """The rails in one row: its node, its joints, and what passes by."""
    node, output = rails[row], len(reads) - 1
    joined = {rails[p] for p in reads[row]}
    first, end = min({node, *joined}), max({node, *joined})
    alive = {rails[t]: last[t] for t in range(row) if last[t] >= row}

    def cell(rail: int) -> str:
        if rail == node:
            return {0: _INPUT, output: _OUTPUT}.get(row, _LAYER)
        if rail in alive.keys() - joined:
            return _LEAF_RAIL if alive[rail] == output else _RAIL
        sides = {
            "u": rail in alive,
            "d": alive.get(rail, row) > row,
            "l": first < rail <= end,
            "r": first <= rail < end,
        }
        return _JOINTS["".join(side for side, drawn in sides.items() if drawn)]

    return "".join(cell(r) + ("─" if first <= r < end else " ") for r in range(max(rails) + 1))
