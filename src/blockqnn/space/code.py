"""The network structure code: a block as a list of 5-D vectors (section 3.1, table 1).

A layer is `(index, type, kernel, pred1, pred2)`. Index 0 is the block's input. A layer with one
predecessor has `pred2 = 0`; for Add and Concat, 0 means the input. The text form is
`(1,1,3,0,0) (2,7,0,0,0)`; the terminal layer may be left out when typed and is always printed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from blockqnn.diagram.figure import Arrow, Box, Figure
from blockqnn.diagram.svg import picture
from blockqnn.errors import InputError
from blockqnn.space.operation import OwnOp

LAYER_LIMIT = 255  # no published space comes near it (paper: 23); it bounds what is parsed
_TEXT_LIMIT = 40 * LAYER_LIMIT  # characters
_ITEM = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_NUMBER = re.compile(r"\d{1,4}", re.ASCII)


class Op(IntEnum):
    """Layer types with the paper's numbers (table 1)."""

    CONV = 1
    MAX_POOL = 2
    AVG_POOL = 3
    IDENTITY = 4
    ADD = 5
    CONCAT = 6
    TERMINAL = 7


OpType = Op | OwnOp


class OpRule(NamedTuple):
    """What table 1 allows for one layer type; an own operation states it of itself."""

    kernels: tuple[int, ...]
    predecessors: int


OP_RULES: Mapping[Op, OpRule] = MappingProxyType(
    {
        Op.CONV: OpRule((1, 3, 5), 1),
        Op.MAX_POOL: OpRule((1, 3), 1),
        Op.AVG_POOL: OpRule((1, 3), 1),
        Op.IDENTITY: OpRule((0,), 1),
        Op.ADD: OpRule((0,), 2),
        Op.CONCAT: OpRule((0,), 2),
        Op.TERMINAL: OpRule((0,), 0),
    }
)
_KINDS: Mapping[OpType, str] = MappingProxyType(  # of boxes
    {
        Op.CONV: "conv",
        Op.MAX_POOL: "pool",
        Op.AVG_POOL: "pool",
        Op.IDENTITY: "identity",
        Op.ADD: "add",
        Op.CONCAT: "concat",
    }
)


class CodeError(InputError):
    """A code that breaks a rule of the space; the message names the code and the rule."""


class Layer(NamedTuple):
    """One 5-D vector of the code."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    op: OpType
    kernel: int
    pred1: int
    pred2: int

    @property
    def preds(self) -> tuple[int, ...]:
        """The indices that the layer really reads: none, one or two."""
        op = self.op
        rule = op if isinstance(op, OwnOp) else OP_RULES[op]
        return (self.pred1, self.pred2)[: rule.predecessors]

    def __str__(self) -> str:
        return f"({self.index},{int(self.op)},{self.kernel},{self.pred1},{self.pred2})"


@dataclass(frozen=True, slots=True)
class Block:
    """A legal block: its operations in order, without the terminal layer.

    Raises CodeError when a rule is broken, so an illegal block does not exist.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        _check(self.layers)

    def __str__(self) -> str:
        return " ".join(map(str, (*self.layers, terminal(len(self.layers) + 1))))

    @property
    def leaves(self) -> tuple[int, ...]:
        """Indices of the layers without successor; their concatenation is the block's output."""
        used = {p for layer in self.layers for p in layer.preds}
        return tuple(layer.index for layer in self.layers if layer.index not in used)

    def _repr_svg_(self) -> str:
        """Its drawing; notebooks look for this name."""
        return picture(figure(self))


def terminal(index: int) -> Layer:
    """The layer that ends a block, as layer number `index`."""
    return Layer(index, Op.TERMINAL, 0, 0, 0)


def parse(text: str, operations: Iterable[OwnOp] = ()) -> Block:
    """The block that a text describes: brackets and commas around it are accepted.

    `operations` are the own types that it may hold. Raises CodeError, which shows the text and
    the broken rule.
    """
    types: dict[int, OpType] = {int(op): op for op in (*Op, *operations)}
    if len(text) > _TEXT_LIMIT:
        raise CodeError(f"code of {len(text)} characters: at most {_TEXT_LIMIT} are allowed")
    items = _ITEM.findall(_without_outer_bracket(text))
    rest = _ITEM.sub("", _without_outer_bracket(text)).strip(" ,\t\r\n")
    if rest.replace(",", "").strip() or not items:
        where = f"cannot read {_short(rest)}" if rest else "no layer found"
        raise CodeError(f"code {_short(text)}: {where}; write it as (1,1,3,0,0) (2,7,0,0,0)")
    layers = [_parse_layer(item, text, types) for item in items]
    if layers[-1].op is Op.TERMINAL:
        if layers[-1] != terminal(len(layers)):
            raise CodeError(
                f"code {_short(text)}: the terminal layer {layers[-1]} must be {terminal(len(layers))}"
            )
        layers.pop()
    return Block(tuple(layers))


def _without_outer_bracket(text: str) -> str:
    text = text.strip()
    pairs = (("[", "]"), ("(", ")"))
    inner = text[1:-1].strip()
    wrapped = any(text.startswith(a) and text.endswith(b) for a, b in pairs)
    return inner if wrapped and inner[:1] in ("(", "[") else text


def _parse_layer(item: str, text: str, types: Mapping[int, OpType]) -> Layer:
    fields = [field.strip() for field in item.split(",")]
    if len(fields) != 5 or not all(_NUMBER.fullmatch(field) for field in fields):
        raise CodeError(
            f"code {_short(text)}: layer ({_short(item)}) must be five whole numbers"
            " (index, type, kernel, pred1, pred2)"
        )
    index, op, kernel, pred1, pred2 = map(int, fields)
    if op not in types:
        known = ", ".join(f"{o:d} {op_name(o)}" for o in types.values())
        raise CodeError(f"layer ({_short(item)}): type {op} is unknown; allowed are {known}")
    return Layer(index, types[op], kernel, pred1, pred2)


def op_name(op: OpType) -> str:
    """The type as people write it: `max pool`."""
    return op.name.lower().replace("_", " ")


def layer_name(layer: Layer) -> str:
    """The layer as people write it: `max pool 3x3`."""
    return op_name(layer.op) + (f" {layer.kernel}x{layer.kernel}" if layer.kernel else "")


def figure(block: Block) -> Figure:
    """Input, layers and output as boxes; dashed is what goes to the output."""
    leaves, output = block.leaves, len(block.layers) + 1
    return Figure(
        title=f"Block of {len(block.layers)} {'layer' if output == 2 else 'layers'}",
        description=str(block),
        boxes=(
            Box("input", "end"),
            *(Box(layer_name(x), _KINDS.get(x.op, "own"), x.index) for x in block.layers),
            Box("output = concat" if len(leaves) > 1 else "output", "end"),
        ),
        arrows=(
            *(Arrow(p, x.index) for x in block.layers for p in x.preds),
            *(Arrow(leaf, output, dashed=True) for leaf in leaves),
        ),
    )


def _check(layers: tuple[Layer, ...]) -> None:
    if not layers:
        raise CodeError("the block is empty: it needs at least one layer before the terminal one")
    if len(layers) > LAYER_LIMIT:
        raise CodeError(f"the block has {len(layers)} layers: at most {LAYER_LIMIT} are allowed")
    for position, layer in enumerate(layers, start=1):
        broken = _broken_rule(layer, position)
        if broken:
            raise CodeError(f"layer {layer}: {broken}")


def _broken_rule(layer: Layer, position: int) -> str | None:
    op = layer.op
    name, rule = op_name(op), op if isinstance(op, OwnOp) else OP_RULES[op]
    if layer.index != position:
        return f"its index must be {position}, one more than the layer before"
    if layer.op is Op.TERMINAL:
        return "only the last layer may be the terminal one"
    if layer.kernel not in rule.kernels:
        return f"{name} allows kernel {' or '.join(map(str, rule.kernels))}, not {layer.kernel}"
    if any(not 0 <= p < position for p in layer.preds):
        return f"predecessors must lie in 0..{position - 1} (0 is the block's input)"
    if rule.predecessors == 1 and layer.pred2 != 0:
        return f"{name} has one predecessor, so pred2 must be 0, not {layer.pred2}"
    if rule.predecessors == 2 and layer.pred1 == layer.pred2:
        return f"{name} needs two different predecessors, not {layer.pred1} twice"
    return None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
