"""The network as one file of plain PyTorch: `model.py`, which does not need this package.

Every layer of a block is a named attribute and a named line of `forward`, with the names that the
weights have. Channels are written in the block's inputs and the stage's filters, so blocks of equal
shape have equal text, and blocks of equal text are one class.
"""

import ast
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from blockqnn.errors import InputError
from blockqnn.export import python_parts as parts
from blockqnn.export.model import Model
from blockqnn.network.ops import layer_name
from blockqnn.network.plan import STEM_KERNEL, BlockPlan, PlannedNode, StemPlan
from blockqnn.space.code import Op
from blockqnn.space.operation import OwnOp

_WIDTH = 105  # of a line
_OPEN_CLOSE = {"(": ")", "[": "]"}


def python_source(model: Model) -> str:
    """The text of model.py. InputError where an own operation's source cannot be taken over."""
    plan, images = model.plan, model.in_chans in (1, 3)
    names: dict[str, str] = {}  # text of a block's class, from its second line on -> its name
    stages = []
    for blocks, filters in zip(plan.stages, model.config["skeleton"]["widths"], strict=True):
        calls = []
        for block in blocks:
            body = "\n".join(_block(block, filters))
            name = names.setdefault(body, f"Block{len(names) + 1}")
            sizes = {"inputs": block.in_channels, "filters": filters}
            given = (str(sizes[size]) for size in _sizes_in(body))
            calls.append(f"{name}({', '.join(given)})")
        stages.append(calls)
    nodes = [node for blocks in plan.stages for block in blocks for node in block.nodes]
    pieces = ["\n".join(_head(model, images)), parts.CELL]
    if any(node.projected is not None for node in nodes):
        pieces.append(parts.PROJECTED_ADD)
    pieces += dict.fromkeys(_own_source(node.op) for node in nodes if isinstance(node.op, OwnOp))
    pieces += [f"class {name}(nn.Module):\n{body}" for body, name in names.items()]
    pieces += ["\n".join(_network(model, stages)), parts.LOAD]
    if images:
        pieces += [*parts.read_image(model.config["preprocessing"], model.in_chans), parts.MAIN]
        pieces.append('if __name__ == "__main__":\n    main()')
    return "\n\n\n".join(piece.strip("\n") for piece in pieces) + "\n"


def _head(model: Model, images: bool) -> Iterator[str]:
    """Docstring, imports, and what is known of classes and images."""
    plan, metrics, scale = model.plan, model.metrics, model.config["preprocessing"]
    yield f'"""Image classifier of {len(model.classes)} classes in plain PyTorch, written by blockqnn.'
    yield ""
    for text in (
        f"Block {model.block}",
        f"{plan.params:,} parameters, {plan.flops:,} FLOPs an image (2 a multiply-add),"
        f" {_accuracy(metrics)}.",
        "Needs torch and safetensors"
        + ("; with Pillow, `python model.py IMAGE...` prints classes." if images else "."),
    ):
        yield from textwrap.wrap(text, _WIDTH - 5, break_long_words=False, break_on_hyphens=False)
    yield '"""'
    yield ""
    if images:
        yield "import sys"
    yield from ("from pathlib import Path", "", "import torch", "from torch import nn", "")
    yield from _listed("CLASSES = (", map(_literal, model.classes))
    yield f"HEIGHT, WIDTH = {scale['size'][0]}, {scale['size'][1]}"
    for name in ("mean", "deviation"):  # a channel, of images in 0..1
        yield from _listed(f"{name.upper()} = [", (repr(float(value)) for value in scale[name]))


def _accuracy(metrics: Mapping[str, Any]) -> str:
    """Of the test part, where it was read."""
    part = "validation" if metrics["test_accuracy"] is None else "test"
    value = metrics[f"{part}_accuracy"]
    return f"{part} {metrics['metric']} " + ("not measured" if value is None else f"{value:.2f} %")


def _listed(begin: str, items: Iterable[str]) -> Iterator[str]:
    """`begin`, the items and the closing bracket: one line, else one a item, as formatters do."""
    items, indent = list(items), " " * (len(begin) - len(begin.lstrip()))
    line = f"{begin}{', '.join(items)}{_OPEN_CLOSE[begin[-1]]}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield begin
    yield from (f"{indent}    {item}," for item in items)
    yield indent + _OPEN_CLOSE[begin[-1]]


def _literal(text: str) -> str:
    """A string in double quotes that formatters leave as it is."""
    if text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', "\\x22") + '"'
    return json.dumps(text).replace('\\"', "\\x22")


class _Channels(NamedTuple):
    """inputs x the block's own + filters x the stage's + a number."""

    inputs: int
    filters: int
    number: int = 0

    def __str__(self) -> str:
        terms = [
            name if count == 1 else f"{count} * {name}"
            for name, count in zip(("inputs", "filters"), self, strict=False)
            if count
        ]
        return " + ".join(terms + [str(self.number)] * (self.number > 0))


class _Value(NamedTuple):
    name: str
    channels: _Channels


def _block(block: BlockPlan, filters: int) -> Iterator[str]:
    """The lines of a block's class, from the second on."""
    values = [_Value("x", _Channels(1, 0))]
    modules, lines = [], []
    for index, node in enumerate(block.nodes, 1):
        name, operands = layer_name(index, node.op), [values[pred] for pred in node.preds]
        if module := _module(node, [value.channels for value in operands], filters):
            modules.append(f"        self.{name} = {module}")
        lines.append(f"        {name} = {_call(node, name, [value.name for value in operands])}")
        values.append(_Value(name, _channels(node, [value.channels for value in operands], filters)))
    yield '    """One block; its leaves are concatenated."""'
    yield ""
    if modules:
        yield f"    def __init__({', '.join(['self', *_sizes_in(' '.join(modules))])}):"
        yield from ("        super().__init__()", *modules, "")
    yield from ("    def forward(self, x):", *lines)
    leaves = [values[leaf].name for leaf in block.leaves]
    if len(leaves) == 1:
        yield f"        return {leaves[0]}"
        return
    yield from _listed("        leaves = [", leaves)
    yield "        return torch.cat(leaves, dim=1)"


def _sizes_in(text: str) -> list[str]:
    """Which of the two sizes the modules of a block depend on."""
    return [name for name in ("inputs", "filters") if re.search(rf"\b{name}\b", text)]


def _channels(node: PlannedNode, ins: list[_Channels], filters: int) -> _Channels:
    """The result's, so that its value is node.channels."""
    if node.op is Op.ADD:
        return ins[1 if node.projected == 0 else 0]
    if node.op is Op.CONCAT:
        a, b = ins
        return _Channels(a.inputs + b.inputs, a.filters + b.filters, a.number + b.number)
    if node.op is Op.CONV or (isinstance(node.op, OwnOp) and node.channels == filters):
        return _Channels(0, 1)
    return _Channels(0, 0, node.channels) if isinstance(node.op, OwnOp) else ins[0]


def _module(node: PlannedNode, ins: list[_Channels], filters: int) -> str | None:
    """What builds the layer's module; None where it needs none."""
    if isinstance(node.op, OwnOp):
        operands = ", ".join(map(str, ins)) + "," * (len(ins) == 1)
        build = node.op.stated.build.__name__
        return f"{build}({node.kernel}, ({operands}), {_channels(node, ins, filters)})"
    if node.op is Op.CONV:
        return f"Cell({node.kernel}, {ins[0]}, filters)"
    if node.projected is not None:
        return f"ProjectedAdd({ins[node.projected]}, {ins[1 - node.projected]})"
    if node.op in (Op.MAX_POOL, Op.AVG_POOL) and node.kernel > 1:
        kind = "MaxPool2d" if node.op is Op.MAX_POOL else "AvgPool2d"
        return f"nn.{kind}({node.kernel}, stride=1, padding={node.kernel // 2})"
    return None


def _call(node: PlannedNode, name: str, operands: list[str]) -> str:
    """The layer's value; its operands are names."""
    if node.op is Op.CONCAT:
        return f"torch.cat([{', '.join(operands)}], dim=1)"
    if node.op is Op.ADD and node.projected is None:
        return " + ".join(operands)
    if node.op is Op.IDENTITY or (node.op in (Op.MAX_POOL, Op.AVG_POOL) and node.kernel == 1):
        return operands[0]
    ordered = operands[::-1] if node.projected == 1 else operands
    return f"self.{name}({', '.join(ordered)})"


def _own_source(op: OwnOp) -> str:
    """The plugin's text that defines `build`, for the file."""
    operation, where = op.stated, f"operation {op:d} {op.name}"
    try:
        defined = [getattr(item, "name", None) for item in ast.parse(operation.source).body]
    except SyntaxError:
        defined = []
    if getattr(operation.build, "__name__", None) not in defined:
        raise InputError(
            f"{where}: its source does not define `build` by itself, which --format python needs; write"
            " it as a function or class that uses torch and nn alone, or state Operation.source"
        )
    return operation.source


def _network(model: Model, stages: list[list[str]]) -> Iterator[str]:
    plan = model.plan
    yield f'''class Model(nn.Module):
    """Images float32 [N, {model.in_chans}, {plan.image.height}, {plan.image.width}] in 0..1 -> logits \
[N, {plan.classes}]."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(-1, 1, 1), persistent=False)'''
    yield from _listed("        self.stem = nn.Sequential(", _stem(plan.stem))
    numbers = range(1, len(stages) + 1)
    for number, calls in zip(numbers, stages, strict=True):
        yield from _listed(f"        stage{number} = nn.Sequential(", calls)
    yield f"        self.stages = nn.ModuleList([{', '.join(f'stage{n}' for n in numbers)}])"
    yield f"        self.head = nn.Linear({plan.features}, {plan.classes})"
    yield ""
    yield "    def forward(self, x):"
    yield "        x = self.stem((x - self.mean) / self.deviation)"
    for n in range(len(stages)):
        yield f"        x = self.stages[{n}]({'nn.functional.max_pool2d(x, 2)' if n else 'x'})"
    yield "        return self.head(torch.relu(x).mean(dim=(2, 3)))"


def _stem(layers: Iterable[StemPlan]) -> Iterator[str]:
    for number, layer in enumerate(layers):
        if layer.op == "pool":
            yield "nn.MaxPool2d(2)"
        elif number:
            yield f"Cell({STEM_KERNEL}, {layer.in_channels}, {layer.channels})"
        else:  # nothing to rectify in an image
            yield (
                f"nn.Conv2d({layer.in_channels}, {layer.channels}, {STEM_KERNEL}, padding=1, bias=False)"
            )
            yield f"nn.BatchNorm2d({layer.channels})"
