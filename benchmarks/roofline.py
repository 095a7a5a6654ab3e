"""What a device can do at best, and what a stretch of eager torch code asks of it.

The per-kernel roofline time of a stretch is the sum over its aten ops of
max(bytes / bandwidth, FLOPs / peak of the op's number format). Bytes are those of the tensors that an
op reads and writes, whatever caches may hold; views cost nothing, an op of several kernels (a
convolution's backward) counts once. FLOPs are 2 a multiply-add of convolutions and matrix products.
Beside it stands the roofline of a training step whose ops are fused as far as they can be.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from blockqnn.network.plan import NetworkPlan

_FLOAT32 = 4  # bytes
# Of each weight in a step of Adam, float32 values: read by the forward and by the backward pass, its
# gradient written and read, both of Adam's states read and written, the new weight written.
_VALUES_A_WEIGHT = 2 + 2 + 4 + 1
_REPEATS, _CALLS = 5, 4  # timings of which the fastest counts, calls in each
_FREE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"}
_WRITE_ONLY = {"copy_", "fill_", "zero_"}
_LIKE = ("_like", "new_")  # an argument lends its shape only
_GATHER = {"index", "index_select", "gather"}  # of the source no more is read than is written


class Rates(NamedTuple):
    """Measured on one device. `peaks`: FLOP/s of a large matrix product by what it is computed in."""

    peaks: dict[str, float]
    bandwidth: float  # bytes a second, read plus written, of a large copy

    def peak(self, dtype: torch.dtype) -> float:
        """FLOP/s for tensors of that type. On CUDA float32 convolutions use TF32 by torch's default."""
        name = "bfloat16" if dtype == torch.bfloat16 else "float32"
        tf32 = name == "float32" and torch.backends.cudnn.conv.fp32_precision == "tf32"
        return self.peaks["tf32"] if tf32 and "tf32" in self.peaks else self.peaks[name]


def ideal_bytes(plan: NetworkPlan, batch: int, precision: str) -> int:
    """Bytes that a training step has to move with every op fused that can be.

    The sum of
    - each value that is kept for the backward pass (`plan.activations` an image), written once and
      read once, in the precision: 2 bytes in bfloat16, else 4;
    - nine float32 values a parameter: the weight read in the forward and in the backward pass, its
      gradient written and read, Adam's two states read and written, the weight written;
    - the batch of uint8 images, read once.

    What never has to leave the chip costs nothing: intermediate results, gradients of activations,
    bfloat16 copies of weights. A step that computes activations anew instead of keeping them may move
    less.
    """
    value = 2 if precision == "bfloat16" else _FLOAT32
    activations = 2 * plan.activations * batch * value
    return activations + _VALUES_A_WEIGHT * _FLOAT32 * plan.params + batch * math.prod(plan.image)


def ideal_seconds(plan: NetworkPlan, batch: int, precision: str, rates: Rates) -> float:
    """Of a training step with every op fused that can be: the slower of memory and arithmetic.

    Memory moves `ideal_bytes`; arithmetic is 3 times the plan's FLOPs an image, forward and backward.
    """
    peak = rates.peak(torch.bfloat16 if precision == "bfloat16" else torch.float32)
    moving = ideal_bytes(plan, batch, precision) / rates.bandwidth
    return max(moving, 3 * plan.flops * batch / peak)


def synchronize(device: str) -> None:
    """Waits until the device has done all that was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def measured_rates(device: str) -> Rates:
    """By square matrix products (side 8192 on CUDA, 1024 else) and copies of 1 GiB (256 MiB)."""
    side, size = (8192, 2**30) if device == "cuda" else (1024, 2**28)
    peaks = {}
    formats = ["float32", "bfloat16"] + ["tf32"] * (device == "cuda")
    for name in formats:
        dtype = torch.bfloat16 if name == "bfloat16" else torch.float32
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        with _products_in("tf32" if name == "tf32" else "ieee"):
            peaks[name] = 2 * side**3 / _fastest(lambda a=a, b=b: torch.mm(a, b), device)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Rates(peaks, 2 * size / _fastest(lambda: target.copy_(source), device))


@contextmanager
def _products_in(precision: str) -> Iterator[None]:
    """Matrix products of float32 tensors are computed in `ieee` or `tf32` on CUDA."""
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = precision
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def _fastest(call: Callable[[], object], device: str) -> float:
    """Seconds of a call, the best of some timings after a first call."""
    call()
    seconds = []
    for _ in range(_REPEATS):
        synchronize(device)
        begin = time.perf_counter()
        for _ in range(_CALLS):
            call()
        synchronize(device)
        seconds.append((time.perf_counter() - begin) / _CALLS)
    return min(seconds)


class Counter(TorchDispatchMode):
    """Adds up what the ops under it ask of one kind of device; host ops beside a GPU do not count."""

    def __init__(self, device: str, rates: Rates | None = None) -> None:
        super().__init__()
        self._device, self._rates = device, rates
        self.clear()

    def clear(self) -> None:
        self.ops = self.bytes = self.flops = 0
        self.seconds = 0.0  # of the per-kernel roofline, where rates are given

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
        if func.is_view or _name(func) in _FREE or all(t.device.type != self._device for t in tensors):
            return out
        count = _moved(func, args, kwargs, out)
        flops_of = flop_registry.get(func.overloadpacket)
        flops = int(flops_of(*args, **kwargs, out_val=out)) if flops_of else 0
        self.ops += 1
        self.bytes += count
        self.flops += flops
        if self._rates:
            peak = self._rates.peak(tensors[-1].dtype)
            self.seconds += max(count / self._rates.bandwidth, flops / peak)
        return out


def _name(func: OpOverload) -> str:
    return str(func.overloadpacket.__name__)


def _moved(func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any) -> int:
    """Bytes read and written: inputs, what the op's schema says it changes, and new outputs."""
    schema, name = func._schema, _name(func)
    values = {argument.name: value for argument, value in zip(schema.arguments, args, strict=False)}
    values |= kwargs
    changed = {a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write}
    read = {n: v for n, v in values.items() if not (name in _WRITE_ONLY and n in changed)}
    if name.endswith(_LIKE[0]) or name.startswith(_LIKE[1]):
        read = {}
    outs = out if len(schema.returns) > 1 else (out,)
    fresh = [o for o, told in zip(outs, schema.returns, strict=False) if told.alias_info is None]
    written = _bytes([fresh, [values[n] for n in changed if n in values]])
    if name in _GATHER:
        first, *others = read.values()
        return min(_bytes(first), written) + _bytes(others) + written
    return _bytes(list(read.values())) + written


def _bytes(values: Any) -> int:
    """Of all tensors in there; a dimension that was expanded counts once."""
    return sum(
        math.prod(n for n, stride in zip(t.shape, t.stride(), strict=True) if stride) * t.element_size()
        for t in tree_leaves(values)
        if isinstance(t, Tensor)
    )
