"""Layer types of a user's own: what a plugin states of one, and the type in a code. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blockqnn.errors import InputError
from blockqnn.users_code import users_code

if TYPE_CHECKING:
    from torch import nn

FIRST_OWN = 8  # 1 to 7 are table 1's


def _filters(ins: tuple[int, ...], filters: int) -> int:  # noqa: ARG001
    return filters


@dataclass(frozen=True)
class Operation:
    """One operation of the user's: maps its operands, each [N, C, H, W], to [N, out, H, W].

    All sizes follow from the kernel, the operands' channels `ins` (one number for each
    predecessor) and the result's channels `out`. They are stated, so that a network is sized
    without being built, and checked against the module. `flops` is for one image of
    `pixels` = H x W: what torch's FlopCounterMode counts, 2 a multiply-add.
    """

    name: str
    kernels: tuple[int, ...]  # that a code may name; (0,) for none
    params: Callable[[int, tuple[int, ...], int], int]  # (kernel, ins, out)
    flops: Callable[[int, tuple[int, ...], int, int], int]  # (kernel, ins, out, pixels)
    build: Callable[[int, tuple[int, ...], int], nn.Module]  # (kernel, ins, out)
    predecessors: int = 1  # or 2, as table 1's Add and Concat have
    channels: Callable[[tuple[int, ...], int], int] = _filters  # (ins, the stage's filters) -> out
    # (kernel, ins, out, pixels): values that one image leaves for the backward pass;
    # None: the operands and twice the result, as of a convolution with its BN
    activations: Callable[[int, tuple[int, ...], int, int], int] | None = None
    source: str = ""  # text that defines `build`, for exports; empty: taken from the plugin's file


class Sizes(NamedTuple):
    """Of one layer, for one image."""

    channels: int
    params: int
    flops: int
    activations: int


class OwnOp(int):
    """A layer type from 8 on: its number, with what the rules of the space ask of it.

    `operation` is None where a run is read without its plugin: then the code can be parsed,
    drawn and keyed, but no network sized or built.
    """

    name: str
    kernels: tuple[int, ...]
    predecessors: int
    operation: Operation | None

    def __new__(
        cls,
        number: int,
        name: str,
        kernels: tuple[int, ...],
        predecessors: int,
        operation: Operation | None = None,
    ) -> OwnOp:
        op = super().__new__(cls, number)
        op.name, op.kernels, op.predecessors, op.operation = name, kernels, predecessors, operation
        return op

    @classmethod
    def of(cls, number: int, operation: Operation) -> OwnOp:
        """The type that a plugin gives this number."""
        return cls(number, operation.name, operation.kernels, operation.predecessors, operation)

    @property
    def stated(self) -> Operation:
        """The plugin's operation, or InputError where it was not named."""
        if self.operation is None:
            raise InputError(
                f"operation {self:d} {self.name}: belongs to a plugin; its size is known only where"
                " that is named with --plugin FILE.py"
            )
        return self.operation

    def sizes(self, kernel: int, ins: tuple[int, ...], filters: int, pixels: int) -> Sizes:
        """What the operation states of one layer; InputError where it states no whole numbers."""
        operation = self.stated
        with users_code(f"operation {self:d} {self.name}, kernel {kernel}, channels {ins}"):
            out = operation.channels(ins, filters)
            params = operation.params(kernel, ins, out)
            flops = operation.flops(kernel, ins, out, pixels)
            if operation.activations is None:
                activations = (sum(ins) + 2 * out) * pixels
            else:
                activations = operation.activations(kernel, ins, out, pixels)
        sizes = Sizes(out, params, flops, activations)
        for name, value, least in zip(Sizes._fields, sizes, (1, 0, 0, 0), strict=True):
            if not isinstance(value, int) or value < least:
                raise InputError(
                    f"operation {self:d} {self.name}: {name} = {value!r} for kernel {kernel}, channels"
                    f" {ins} and {filters} filters; a whole number from {least} is allowed"
                )
        return sizes
