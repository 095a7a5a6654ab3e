"""The structure of a block as numbers, for a model that predicts what it is worth."""

from itertools import product

from blockqnn.space.code import Block, Op
from blockqnn.space.graph import Graph, Node, density, depth, simplified
from blockqnn.space.operation import OwnOp

# What is told apart: kinds of nodes, the input first, the output last.
_INPUT, _OUTPUT, _OWN = "input", "output", "own"
_KINDS = ("conv1", "conv3", "conv5", "max", "avg", "add", "concat", _OWN)
_EDGES = tuple(product((_INPUT, *_KINDS), (*_KINDS, _OUTPUT)))
_NAMES = {Op.MAX_POOL: "max", Op.AVG_POOL: "avg", Op.ADD: "add", Op.CONCAT: "concat"}


def structure(block: Block) -> tuple[float, ...]:
    """Numbers of the simplified block, always as many.

    How many nodes there are of each kind, and edges from each kind to each; depth, density, operands
    of the output, the longest and the shortest path, values that are read more than once.
    """
    g = simplified(block)
    kinds = [_INPUT, *map(_kind, g.nodes)]
    edges = [(kinds[p], kind) for node, kind in zip(g.nodes, kinds[1:], strict=True) for p in node.preds]
    edges += [(kinds[p], _OUTPUT) for p in g.output]
    nodes = tuple(float(kinds.count(kind)) for kind in _KINDS)
    return (*nodes, *(float(edges.count(edge)) for edge in _EDGES), *_shape(g))


def _shape(g: Graph) -> tuple[float, ...]:
    longest, shortest, readers = [0], [0], [0] * (len(g.nodes) + 1)
    for node in g.nodes:
        longest.append(1 + max(longest[p] for p in node.preds))
        shortest.append(1 + min(shortest[p] for p in node.preds))
    for p in (p for preds in (*(node.preds for node in g.nodes), g.output) for p in preds):
        readers[p] += 1
    return (
        float(depth(g)),
        density(g),
        float(len(g.output)),
        float(max(longest[i] for i in g.output)),
        float(min(shortest[i] for i in g.output)),
        float(sum(count > 1 for count in readers)),
    )


def _kind(node: Node) -> str:
    if isinstance(node.op, OwnOp):
        return _OWN
    return f"conv{node.kernel}" if node.op is Op.CONV else _NAMES[node.op]
