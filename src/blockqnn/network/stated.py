"""Own operations built and run once, so that what they state is what torch counts."""

from collections.abc import Iterable

import torch
from torch.utils.flop_counter import FlopCounterMode

from blockqnn.errors import InputError
from blockqnn.network.ops import module_of
from blockqnn.network.plan import PlannedNode
from blockqnn.space.operation import OwnOp
from blockqnn.users_code import users_code

_FILTERS, _HEIGHT, _WIDTH, _IMAGES = 8, 6, 5, 2


def refuse_misstated(operations: Iterable[OwnOp]) -> None:
    """InputError unless each operation's module has the parameters, FLOPs and shape it states.

    Tried for every kernel, with operands of equal and of different channels, on small images.
    """
    for op in operations:
        for kernel in op.kernels:
            for ins in ((_FILTERS, _FILTERS), (4, 6)):
                _refuse_misstated(op, kernel, ins[: op.predecessors])


def _refuse_misstated(op: OwnOp, kernel: int, ins: tuple[int, ...]) -> None:
    sizes = op.sizes(kernel, ins, _FILTERS, _HEIGHT * _WIDTH)
    where = f"operation {op:d} {op.name}, kernel {kernel}, channels {ins}"
    with users_code(where), torch.random.fork_rng(devices=[]), torch.no_grad():
        preds = tuple(range(len(ins)))
        module = module_of(PlannedNode(op, kernel, preds, ins, sizes.channels)).eval()
        operands = [torch.randn(_IMAGES, channels, _HEIGHT, _WIDTH) for channels in ins]
        with FlopCounterMode(display=False) as counter:
            result = module(*operands)
    if (shape := getattr(result, "shape", None)) != (_IMAGES, sizes.channels, _HEIGHT, _WIDTH):
        raise InputError(
            f"{where}: must map {_IMAGES} images of {_HEIGHT}x{_WIDTH} to"
            f" [{_IMAGES}, {sizes.channels}, {_HEIGHT}, {_WIDTH}], not to {list(shape or ())}"
        )
    if (counted := counter.get_total_flops()) != _IMAGES * sizes.flops:
        raise InputError(
            f"{where}: states {sizes.flops} FLOPs for an image of {_HEIGHT}x{_WIDTH}, torch counts"
            f" {counted / _IMAGES:g}"
        )
