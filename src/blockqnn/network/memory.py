"""What training a planned network keeps in memory, worked out before anything is allocated. No torch."""

from blockqnn.network.plan import BlockPlan, NetworkPlan, PlannedNode
from blockqnn.space.code import Op
from blockqnn.space.operation import OwnOp

_INDEX = 8  # bytes of where max pooling found a value
_FLOAT = 4  # bytes of a weight, and of each number that the optimizer keeps of it
_COPIES = {"adam": 4, "adamw": 4, "sgd": 3}  # weight, gradient, two averages or one
_VALUES_AND_GRADIENTS = 2


def training_bytes(plan: NetworkPlan, batch: int, value: int, optimizer: str = "adam") -> int:
    """Bytes that a training step of `batch` images needs at its peak; `value` bytes a feature, 2 or 4.

    Kept for the backward pass are the inputs of convolutions and poolings, what batch normalisation
    normalises, and the places of maxima; then come the values and gradients of one block that
    are under way, and of each parameter what the optimizer needs beside it. The library's own workspace
    and the process itself are left out.
    """
    height, width = plan.image.height, plan.image.width
    area = height * width
    kept = sum(
        (layer.in_channels + layer.channels) * area * value for layer in plan.stem if layer.op == "conv"
    )
    under_way = 0
    for number, stage in enumerate(plan.stages):
        for block in stage:
            kept += _kept(block, value)
            under_way = max(under_way, _under_way(block, value))
        if number < len(plan.stages) - 1:  # the pooling keeps its input and the places of its maxima
            last = stage[-1]
            kept += last.channels * last.height * last.width * (value + _INDEX // 4)
    last = plan.stages[-1][-1]
    kept += last.channels * last.height * last.width * value
    return batch * (kept + _VALUES_AND_GRADIENTS * under_way) + _COPIES[optimizer] * _FLOAT * plan.params


def _kept(block: BlockPlan, value: int) -> int:
    """Bytes an image that the block's backward pass needs."""
    source = {0: 0}  # whose tensor a layer's output is; an identity hands its input on
    pooled: set[int] = set()
    outs = [block.in_channels, *(node.channels for node in block.nodes)]
    values = places = 0
    for i, node in enumerate(block.nodes, 1):
        source[i] = i
        if _hands_on(node):
            source[i] = source[node.preds[0]]
        elif isinstance(node.op, OwnOp):
            pooled.update(source[p] for p in node.preds)
        elif node.op is Op.CONV:
            values += node.in_channels[0] + node.channels
        elif node.projected is not None:
            values += node.in_channels[node.projected] + node.channels
        elif node.op in (Op.MAX_POOL, Op.AVG_POOL):
            pooled.add(source[node.preds[0]])
            places += node.channels if node.op is Op.MAX_POOL else 0
    values += sum(outs[p] for p in pooled)
    return (values * value + places * _INDEX) * block.height * block.width


def _under_way(block: BlockPlan, value: int) -> int:
    """Bytes an image of the values, or of the gradients, that wait for their readers in the block."""
    waiting = sum(node.channels for node in block.nodes if not _hands_on(node)) + block.channels
    return waiting * value * block.height * block.width


def _hands_on(node: PlannedNode) -> bool:
    return node.op is Op.IDENTITY or (node.op in (Op.MAX_POOL, Op.AVG_POOL) and node.kernel == 1)
