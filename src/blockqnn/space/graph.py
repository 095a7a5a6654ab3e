"""A block as a directed acyclic multigraph: simplification, canonical key, density, depth."""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from blockqnn.space.code import Block, Op, OpType
from blockqnn.space.operation import OwnOp

_Sign = tuple[int, tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]]
_CHANNEL_PRESERVING = (Op.MAX_POOL, Op.AVG_POOL, Op.CONCAT)


class Node(NamedTuple):
    op: OpType
    kernel: int
    preds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Operations in topological order; number 0 is the input, number i the i-th node.

    `output` lists the operands of the final concat in order, with multiplicity; a single
    operand is the output itself.
    """

    nodes: tuple[Node, ...]
    output: tuple[int, ...]


def graph(block: Block) -> Graph:
    """The block as it is written."""
    return Graph(tuple(Node(x.op, x.kernel, x.preds) for x in block.layers), block.leaves)


def simplified(block: Block) -> Graph:
    """The block without its no-ops: each Identity, and each pooling of kernel 1, is an edge.

    A no-op that is a leaf becomes an edge from its predecessor to the output.
    """
    number = [0]  # layer index -> node number of what it computes
    nodes: list[Node] = []
    for layer in block.layers:
        preds = tuple(number[p] for p in layer.preds)
        if _is_no_op(layer.op, layer.kernel):
            number.append(preds[0])
        else:
            nodes.append(Node(layer.op, layer.kernel, preds))
            number.append(len(nodes))
    return Graph(tuple(nodes), tuple(number[leaf] for leaf in block.leaves))


def _is_no_op(op: OpType, kernel: int) -> bool:
    return op is Op.IDENTITY or (op in (Op.MAX_POOL, Op.AVG_POOL) and kernel == 1)


def density(graph: Graph) -> float:
    """Edges / nodes, the input counted, the final concat where it has two operands or more.

    Section 3.3; always in [1/2, 3). An operand that simplification made the output read several
    times is one edge. A graph without operations is one edge from input to output.
    """
    concat = len(set(graph.output)) if len(graph.output) > 1 else 0
    nodes = 1 + len(graph.nodes) + (concat > 0)
    edges = sum(len(node.preds) for node in graph.nodes) + concat
    return edges / nodes if edges else 0.5


def depth(graph: Graph) -> int:
    """Convolutions on the longest path from input to output.

    Projections are not counted; an operation of the user's own counts as one.
    """
    longest = [0]
    for node in graph.nodes:
        counted = node.op is Op.CONV or isinstance(node.op, OwnOp)
        longest.append(max(longest[p] for p in node.preds) + counted)
    return max(longest[i] for i in graph.output)


def canonical_key(block: Block) -> str:
    """A text that two blocks share only if their networks compute the same functions.

    Equal keys mean isomorphic simplified multigraphs: operands of Add unordered, those of Concat
    and of the output unordered only where channel order cannot reach an Add. An own operation is
    opaque: never simplified, its operands ordered, their channel order seen by it as by an Add.
    Some equal networks get different keys; different ones never the same.
    """
    g = simplified(block)
    concats, output = ordered_operands(g)
    ordered = [
        (node.op is Op.CONCAT and i in concats) or isinstance(node.op, OwnOp)
        for i, node in enumerate(g.nodes, start=1)
    ]
    order = _topological_order(g, _colours(g, ordered, output))
    number = {0: 0} | {old: new for new, old in enumerate(order, start=1)}

    def operands(preds: Iterable[int], in_order: bool) -> str:
        renumbered = [number[p] for p in preds]
        return ",".join(map(str, renumbered if in_order else sorted(renumbered)))

    words = []
    for old in order:
        node = g.nodes[old - 1]
        words.append(f"{_word(node)}({operands(node.preds, ordered[old - 1])})")
    return " ".join([*words, f"-> {operands(g.output, output)}"])


def ordered_operands(g: Graph) -> tuple[frozenset[int], bool]:
    """The nodes whose channel order can reach an Add, and whether the output's order can.

    An operation of the user's own counts as an Add: what it does with its channels is unknown.
    Channel order passes through poolings and Concats; a convolution absorbs it. Blocks are
    stacked, so the output's order matters exactly where the input's does.
    """
    output = False
    while True:
        reaching = _reaching_add(g, output)
        if output or 0 not in reaching:
            return frozenset(reaching), output
        output = True


def _reaching_add(g: Graph, output: bool) -> set[int]:
    reaching = set(g.output) if output else set()
    for i in range(len(g.nodes), 0, -1):
        node = g.nodes[i - 1]
        if (
            node.op is Op.ADD
            or (node.op in _CHANNEL_PRESERVING and i in reaching)
            or isinstance(node.op, OwnOp)
        ):
            reaching.update(node.preds)
    return reaching


def _colours(g: Graph, ordered: Sequence[bool], output: bool) -> list[int]:
    """A different number for each node, found by colour refinement.

    Numbers come from sorted structure, never from the order of the code; only where refinement
    leaves a tie does the first node of the first tied class go first.
    """
    consumers: list[list[tuple[int, int]]] = [[] for _ in range(len(g.nodes) + 1)]
    for i, node in enumerate(g.nodes, start=1):
        for position, p in enumerate(node.preds):
            consumers[p].append((i, position if ordered[i - 1] else 0))
    outputs: list[list[int]] = [[] for _ in consumers]
    for position, p in enumerate(g.output):
        outputs[p].append(position if output else 0)

    def refined(colour: list[int]) -> list[int]:
        signs: list[_Sign] = [(colour[0], (), (), ())]
        for i, node in enumerate(g.nodes, start=1):
            preds = [colour[p] for p in node.preds]
            signs.append(
                (
                    colour[i],
                    tuple(preds if ordered[i - 1] else sorted(preds)),
                    tuple(sorted((colour[c], position) for c, position in consumers[i])),
                    tuple(outputs[i]),
                )
            )
        rank = {sign: r for r, sign in enumerate(sorted(set(signs)))}
        return [rank[sign] for sign in signs]

    level = [0]
    for node in g.nodes:
        level.append(1 + max(level[p] for p in node.preds))
    start = [
        (0, 0, 0, 0),
        *((level[i], n.op, n.kernel, len(set(n.preds))) for i, n in enumerate(g.nodes, start=1)),
    ]
    rank = {sign: r for r, sign in enumerate(sorted(set(start)))}
    colour = [rank[sign] for sign in start]
    while True:
        before = len(set(colour))
        colour = refined(colour)
        classes = len(set(colour))
        if classes == len(colour):
            return colour
        if classes == before:
            counts = Counter(colour)
            tied = min(c for c, n in counts.items() if n > 1)
            first = colour.index(tied)
            colour = [2 * c + (c == tied and i != first) for i, c in enumerate(colour)]


def _topological_order(g: Graph, colour: Sequence[int]) -> list[int]:
    """Node numbers in the topological order that prefers the smaller colour."""
    missing = [0, *(len(set(node.preds) - {0}) for node in g.nodes)]
    consumers: dict[int, set[int]] = {}
    for i, node in enumerate(g.nodes, start=1):
        for p in node.preds:
            consumers.setdefault(p, set()).add(i)
    ready = [(colour[i], i) for i in range(1, len(missing)) if missing[i] == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for c in consumers.get(i, ()):
            missing[c] -= 1
            if missing[c] == 0:
                heapq.heappush(ready, (colour[c], c))
    return order


def _word(node: Node) -> str:
    if isinstance(node.op, OwnOp):
        return f"own{node.op:d}k{node.kernel}"
    return node.op.name.lower().replace("_", "") + (str(node.kernel) if node.kernel else "")
