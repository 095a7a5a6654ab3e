"""The decision process that agents see, and the block space as one (section 3.2, fig. 4)."""

from collections.abc import Hashable, Sequence
from functools import cache, lru_cache
from itertools import chain, combinations
from typing import Protocol, TypeVar

from blockqnn.space.code import OP_RULES, Block, Layer, Op, OpRule, OpType, parse, terminal
from blockqnn.space.graph import canonical_key
from blockqnn.space.operation import OwnOp

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)


class MDP(Protocol[S, A]):
    """A finite, deterministic decision process whose episodes are designs.

    All an agent may know of a space. States and actions are hashable values; an episode is the
    sequence of its actions. `text` and `episode` are inverse to each other: the text is what is
    stored and shown.
    """

    @property
    def start(self) -> S: ...

    def actions(self, state: S) -> Sequence[A]:
        """The legal actions, always in the same order; none at a terminal state."""
        ...

    def kinds(self, state: S) -> Sequence[Sequence[A]]:
        """The same actions, those of one kind together."""
        ...

    def allows(self, state: S, action: A) -> bool:
        """Whether the action is one of them, at once."""
        ...

    def step(self, state: S, action: A) -> S: ...

    def view(self, state: S) -> Hashable:
        """What of the state a table of values tells apart; what is legal may differ within it."""
        ...

    def position(self, state: S) -> int:
        """How many actions led to it."""
        ...

    def key(self, episode: Sequence[A]) -> str:
        """Equal only for designs whose measurements may stand for each other."""
        ...

    def text(self, episode: Sequence[A]) -> str: ...

    def episode(self, text: str) -> tuple[A, ...]: ...


INPUT = Layer(0, Op.IDENTITY, 0, 0, 0)  # the start state of fig. 4(a)


class BlockSpace:
    """Blocks of at most `max_layers` operations: a state is the layer last written.

    Predecessors of Add and Concat are proposed as an unordered pair of different layers
    (smaller index first). After `max_layers` operations only the terminal layer is legal;
    it is never legal first, so no block is empty. `operations` are types of the user's own,
    offered beside table 1's.
    """

    start = INPUT

    def __init__(self, max_layers: int, operations: Sequence[OwnOp] = ()) -> None:
        self.max_layers = max_layers
        self.operations = tuple(operations)
        self._kinds = cache(lambda index: _kinds(index, max_layers, self.operations))
        self._actions = cache(lambda index: tuple(chain.from_iterable(self._kinds(index))))
        self._allowed = cache(lambda index: frozenset(self._actions(index)))
        self._written = cache(  # operations number `index` by what is written of them
            lambda index: {str(x): x for x in self._actions(index) if x.op is not Op.TERMINAL}
        )
        # asked for several times in a row, and checked each time it is made
        self._block = lru_cache(maxsize=16)(lambda layers: Block(layers))
        self._key = lru_cache(maxsize=16)(lambda layers: canonical_key(self._block(layers)))

    def actions(self, state: Layer) -> tuple[Layer, ...]:
        return () if state.op is Op.TERMINAL else self._actions(state.index + 1)

    def kinds(self, state: Layer) -> tuple[tuple[Layer, ...], ...]:
        return () if state.op is Op.TERMINAL else self._kinds(state.index + 1)

    def allows(self, state: Layer, action: Layer) -> bool:
        return state.op is not Op.TERMINAL and action in self._allowed(state.index + 1)

    def step(self, state: Layer, action: Layer) -> Layer:  # noqa: ARG002
        """The action is the code of the next layer, and so the next state."""
        return action

    def view(self, state: Layer) -> Layer:
        """The layer last written, as in fig. 4."""
        return state

    def position(self, state: Layer) -> int:
        return state.index

    def key(self, episode: Sequence[Layer]) -> str:
        return self._key(tuple(episode[:-1]))

    def text(self, episode: Sequence[Layer]) -> str:
        return str(self.block(episode))

    def episode(self, text: str) -> tuple[Layer, ...]:
        """What `text` wrote is looked up: episodes share their layers, millions in a long run."""
        *items, last = text.split(" ")
        if 0 < len(items) <= self.max_layers:
            (end,) = self._kinds(len(items) + 1)[-1]
            known = (self._written(index).get(item, end) for index, item in enumerate(items, start=1))
            if last == str(end) and end not in (layers := tuple(known)):
                return (*layers, end)
        layers = parse(text, self.operations).layers  # typed, or of another space
        return (*layers, terminal(len(layers) + 1))

    def block(self, episode: Sequence[Layer]) -> Block:
        """The block that a finished episode (terminal layer included) wrote."""
        return self._block(tuple(episode[:-1]))


def _kinds(index: int, max_layers: int, operations: tuple[OwnOp, ...]) -> tuple[tuple[Layer, ...], ...]:
    """Legal layers number `index`, grouped by type."""
    if index > max_layers:
        return ((terminal(index),),)
    ones = tuple((p, 0) for p in range(index))
    pairs = tuple(combinations(range(index), 2))
    rules: list[tuple[OpType, OpRule | OwnOp]] = [*OP_RULES.items(), *((own, own) for own in operations)]
    kinds = [
        tuple(
            Layer(index, op, kernel, *preds)
            for kernel in rule.kernels
            for preds in (ones if rule.predecessors == 1 else pairs)
        )
        for op, rule in rules
        if op is not Op.TERMINAL
    ]
    end = ((terminal(index),),) if index > 1 else ()
    return (*(kind for kind in kinds if kind), *end)
