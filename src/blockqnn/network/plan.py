"""The one description of a network that its builder and its counters read. No torch.

A skeleton stacks a block (section 2, fig. 3): stem, then stages of `repeats` blocks with a 2x2
max pooling between stages, then ReLU, global average pooling and a linear layer. Every
convolution is a pre-activation cell (ReLU, convolution, BN) with the stage's filters; only the
stem's first convolution has no ReLU before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

from blockqnn.errors import InputError
from blockqnn.space.code import Block, Op, OpType
from blockqnn.space.graph import depth, graph
from blockqnn.space.operation import OwnOp

STEM_KERNEL = 3
_CONV, _ADD, _CONCAT = Op.CONV, Op.ADD, Op.CONCAT


class Image(NamedTuple):
    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Skeleton:
    """How blocks are stacked: the stem's layers, then filters and blocks of each stage."""

    stem: tuple[Literal["conv", "pool"], ...]
    widths: tuple[int, ...]
    repeats: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, values in (("widths", self.widths), ("repeats", self.repeats)):
            if not values or any(not 1 <= v <= 10_000 for v in values):
                raise InputError(f"{name} {_listed(values)}: whole numbers from 1 to 10000 are allowed")
        if len(self.widths) != len(self.repeats):
            raise InputError(
                f"repeats {_listed(self.repeats)} for {len(self.widths)} stages of widths"
                f" {_listed(self.widths)}: give one number, or one for each stage"
            )

    def with_repeats(self, repeats: tuple[int, ...]) -> "Skeleton":
        """The same with so many blocks a stage; one number serves all stages."""
        return replace(self, repeats=repeats * len(self.widths) if len(repeats) == 1 else repeats)

    def with_widths(self, widths: tuple[int, ...]) -> "Skeleton":
        """The same with these filters; equal repeats are kept for another number of stages."""
        if len(set(self.repeats)) == 1:
            return replace(self, widths=widths, repeats=self.repeats[:1] * len(widths))
        return replace(self, widths=widths)


SKELETONS: Mapping[str, Skeleton] = MappingProxyType(
    {
        "cifar": Skeleton(("conv",), (32, 64, 128), (1, 1, 1)),
        "imagenet": Skeleton(("conv", "pool", "conv", "pool"), (64, 128, 256, 512), (1, 1, 1, 1)),
        "small": Skeleton(("conv",), (16, 32), (1, 1)),
    }
)


@dataclass(frozen=True)
class Limits:
    """What a network may have at most; None means no limit."""

    max_params: int | None = None
    max_flops: int | None = None  # one image, 2 a multiply-add


class OverLimit(Exception):
    """The network has more parameters or FLOPs than allowed; raised as soon as that is sure."""


class PlannedNode(NamedTuple):
    """One layer of a block with its channels; preds are layer indices, 0 the block's input."""

    op: OpType
    kernel: int
    preds: tuple[int, ...]
    in_channels: tuple[int, ...]
    channels: int

    @property
    def projected(self) -> int | None:
        """Which operand of an Add gets the 1x1 cell: the one with fewer channels, if any."""
        if self.op is not Op.ADD or self.in_channels[0] == self.in_channels[1]:
            return None
        return 0 if self.in_channels[0] < self.in_channels[1] else 1


class BlockPlan(NamedTuple):
    in_channels: int
    height: int
    width: int
    nodes: tuple[PlannedNode, ...]
    leaves: tuple[int, ...]
    channels: int
    params: int
    flops: int
    activations: int


class StemPlan(NamedTuple):
    op: Literal["conv", "pool"]
    in_channels: int
    channels: int


@dataclass(frozen=True)
class NetworkPlan:
    """A network, layer by layer, with its size.

    `params` counts trainable numbers (convolutions without bias, BN scale and shift, linear layer
    with bias). `flops` is for one image what torch's FlopCounterMode counts: 2 a multiply-add of
    convolutions, projections and the linear layer. `activations` is the number of values that one
    image leaves for the backward pass. `depth` counts convolutions on the longest path, the
    stem's included, projections and linear layer not.
    """

    image: Image
    stem: tuple[StemPlan, ...]
    stages: tuple[tuple[BlockPlan, ...], ...]
    features: int
    classes: int
    params: int
    flops: int
    activations: int
    depth: int


def plan_network(
    block: Block, skeleton: Skeleton, image: Image, classes: int, limits: Limits = Limits()
) -> NetworkPlan:
    """The network of a block in a skeleton, for images of that shape.

    Raises OverLimit once a limit is passed, and InputError when the image is too small to be
    halved as often as the skeleton pools.
    """
    max_params = limits.max_params or float("inf")
    max_flops = limits.max_flops or float("inf")
    channels, height, width = image
    params = flops = activations = 0
    stem: list[StemPlan] = []
    for op in skeleton.stem:
        out = skeleton.widths[0] if op == "conv" else channels
        stem.append(StemPlan(op, channels, out))
        if op == "conv":
            params += _cell_params(STEM_KERNEL, channels, out)
            flops += 2 * STEM_KERNEL**2 * channels * out * height * width
            activations += (2 * out + channels) * height * width
        else:
            height, width = _halved(height, width, image, skeleton)
            activations += out * height * width
        channels = out
    stages: list[tuple[BlockPlan, ...]] = []
    for number, (filters, repeats) in enumerate(zip(skeleton.widths, skeleton.repeats, strict=True)):
        if number:
            height, width = _halved(height, width, image, skeleton)
            activations += channels * height * width
        stage: list[BlockPlan] = []
        for _ in range(repeats):
            left = (max_params - params, max_flops - flops)
            if not (stage and stage[-1].in_channels == channels):
                planned = _plan_block(block, channels, filters, height, width, left)
            stage.append(planned)
            channels = planned.channels
            params += planned.params
            flops += planned.flops
            activations += planned.activations
            if params > max_params or flops > max_flops:
                raise OverLimit
        stages.append(tuple(stage))
    params += (channels + 1) * classes
    flops += 2 * channels * classes
    if params > max_params or flops > max_flops:
        raise OverLimit
    convolutions = sum(op == "conv" for op in skeleton.stem)
    return NetworkPlan(
        image=image,
        stem=tuple(stem),
        stages=tuple(stages),
        features=channels,
        classes=classes,
        params=params,
        flops=flops,
        activations=activations + channels * height * width,
        depth=depth(graph(block)) * sum(skeleton.repeats) + convolutions,
    )


def _plan_block(
    block: Block, channels: int, filters: int, height: int, width: int, left: tuple[float, float]
) -> BlockPlan:
    """One block; raises OverLimit when more than `left` (parameters, FLOPs) is needed."""
    area = height * width
    outs = [channels]
    nodes = []
    params = weights = values = own_flops = own_values = 0
    for layer in block.layers:
        preds = layer.preds
        op, ins = layer.op, tuple([outs[p] for p in preds])
        if op is _CONV:
            out = filters
            params += _cell_params(layer.kernel, ins[0], out)
            weights += layer.kernel**2 * ins[0] * out
            values += ins[0] + 2 * out
        elif op is _ADD:
            small, out = sorted(ins)
            values += out
            if small < out:
                params += _cell_params(1, small, out)
                weights += small * out
                values += small + 2 * out
        elif isinstance(op, OwnOp):
            size = op.sizes(layer.kernel, ins, filters, area)
            out = size.channels
            params += size.params
            own_flops += size.flops
            own_values += size.activations
        else:
            out = sum(ins) if op is _CONCAT else ins[0]
            values += out
        outs.append(out)
        nodes.append(PlannedNode(op, layer.kernel, preds, ins, out))
        if params > left[0] or 2 * weights * area + own_flops > left[1]:
            raise OverLimit
    leaves = block.leaves
    total = sum(outs[leaf] for leaf in leaves)
    values += total if len(leaves) > 1 else 0
    return BlockPlan(
        in_channels=channels,
        height=height,
        width=width,
        nodes=tuple(nodes),
        leaves=leaves,
        channels=total,
        params=params,
        flops=2 * weights * area + own_flops,
        activations=values * area + own_values,
    )


def _cell_params(kernel: int, in_channels: int, channels: int) -> int:
    """Convolution without bias, and BN's scale and shift."""
    return kernel**2 * in_channels * channels + 2 * channels


def _halved(height: int, width: int, image: Image, skeleton: Skeleton) -> tuple[int, int]:
    if height < 2 or width < 2:
        pools = skeleton.stem.count("pool") + len(skeleton.widths) - 1
        raise InputError(
            f"image of {image.height}x{image.width} pixels is too small for {pools} poolings:"
            f" each side must be at least {2**pools}"
        )
    return height // 2, width // 2


def _listed(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values)) or "(none)"
