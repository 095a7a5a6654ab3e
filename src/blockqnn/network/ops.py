"""The modules of a block's layers: one table from layer type to constructor, and own operations."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from blockqnn.errors import InputError
from blockqnn.network.across import normalised
from blockqnn.network.plan import PlannedNode
from blockqnn.space.code import Op, OpType, op_name
from blockqnn.space.operation import OwnOp


class BatchNorm(nn.BatchNorm2d):
    """BN whose backward pass meets its gradient in one piece.

    torch's is 5 to 36 times slower on a CPU for one that is a slice of a concatenation's, or a mean's
    that is spread out (docs/LOG.md, 2026-11-26). With `across` it normalises over all processes of a
    group.
    """

    across = False

    def forward(self, x: Tensor) -> Tensor:
        together = self.across and self.training
        out = normalised(self, x) if together else super().forward(x)
        if self.training and out.requires_grad:
            out.register_hook(_in_one_piece)  # type: ignore[no-untyped-call, unused-ignore]
        return out


def _in_one_piece(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)


class Cell(nn.Module):
    """Pre-activation convolutional cell: ReLU, convolution (same padding, no bias), BN.

    Section 3.1. Shape [N, in_channels, H, W] -> [N, channels, H, W].
    """

    def __init__(self, kernel: int, in_channels: int, channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2, bias=False)
        self.bn = BatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(self.relu(x)))
        return out


class Add(nn.Module):
    """Elementwise sum; the operand with fewer channels passes a 1x1 cell first."""

    def __init__(self, node: PlannedNode) -> None:
        super().__init__()
        self.projected = node.projected
        if node.projected is not None:
            self.projection = Cell(1, node.in_channels[node.projected], node.channels)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if self.projected == 0:
            a = self.projection(a)
        elif self.projected == 1:
            b = self.projection(b)
        return a + b


class Concat(nn.Module):
    """Concatenation of channels."""

    def forward(self, *operands: Tensor) -> Tensor:
        return torch.cat(operands, dim=1)


def _pool(pool: type[nn.MaxPool2d | nn.AvgPool2d]) -> Callable[[PlannedNode], nn.Module]:
    def build(node: PlannedNode) -> nn.Module:
        if node.kernel == 1:
            return nn.Identity()
        return pool(node.kernel, stride=1, padding=node.kernel // 2)

    return build


def layer_name(index: int, op: OpType) -> str:
    """What weights and generated code call a layer of a block: `conv1`, `max_pool3`."""
    return re.sub(r"\W", "_", f"{op_name(op)}{index}")


def module_of(node: PlannedNode) -> nn.Module:
    """The module of one layer: table 1's, or that of an operation of the user's own."""
    return _own(node, node.op) if isinstance(node.op, OwnOp) else OPS[node.op](node)


def _own(node: PlannedNode, op: OwnOp) -> nn.Module:
    """What the operation builds; InputError where its parameters are not those it states."""
    operation = op.stated
    shape = (node.kernel, node.in_channels, node.channels)
    module = operation.build(*shape)
    where = f"operation {op:d} {op.name}, kernel {node.kernel}, channels {node.in_channels}"
    if not isinstance(module, nn.Module):
        raise InputError(f"{where}: build must give a torch module, not {module!r}"[:300])
    stated, counted = operation.params(*shape), sum(p.numel() for p in module.parameters())
    if stated != counted:
        raise InputError(f"{where}: states {stated} parameters, but its module has {counted}")
    return module


OPS: Mapping[Op, Callable[[PlannedNode], nn.Module]] = MappingProxyType(
    {
        Op.CONV: lambda node: Cell(node.kernel, node.in_channels[0], node.channels),
        Op.MAX_POOL: _pool(nn.MaxPool2d),
        Op.AVG_POOL: _pool(nn.AvgPool2d),
        Op.IDENTITY: lambda _: nn.Identity(),
        Op.ADD: Add,
        Op.CONCAT: lambda _: Concat(),
    }
)
