"""Blocks for tests: drawn by Hypothesis, or by a seeded generator where a test needs fixed numbers."""

import random
from collections.abc import Container, Sequence
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st

from blockqnn.space.code import Block, Layer, Op
from blockqnn.space.mdp import INPUT, BlockSpace
from blockqnn.space.operation import OwnOp

STEADY = settings(deadline=None, derandomize=True)  # the same examples in every run, never too slow

OWN = (OwnOp(8, "opaque", (0, 3), 1), OwnOp(9, "merge", (0,), 2))  # as read without a plugin
NO_OPS = ((Op.IDENTITY, 0), (Op.MAX_POOL, 1), (Op.AVG_POOL, 1))


@st.composite
def episodes(draw: st.DrawFn, max_layers: int) -> tuple[Layer, ...]:
    """The actions of one walk, terminal layer included; the type is drawn first, for variety."""
    space = BlockSpace(max_layers)
    state, episode = space.start, []
    while kinds := space.kinds(state):
        kind = draw(st.sampled_from(kinds[::-1]))  # the terminal one first: shrinks to short blocks
        state = space.step(state, draw(st.sampled_from(kind)))
        episode.append(state)
    return tuple(episode)


def blocks(max_layers: int) -> st.SearchStrategy[Block]:
    """Legal blocks of one to `max_layers` operations."""
    return episodes(max_layers).map(BlockSpace(max_layers).block)


def random_block(
    rng: random.Random, max_layers: int, kind_first: bool = False, own: Sequence[OwnOp] = ()
) -> Block:
    """The block of a random walk: uniform over the legal actions, or over their types first."""
    space = BlockSpace(max_layers, own)
    state, episode = space.start, []
    while kinds := space.kinds(state):
        state = space.step(state, rng.choice(rng.choice(kinds) if kind_first else space.actions(state)))
        episode.append(state)
    return space.block(episode)


def respelled(rng: random.Random, block: Block, ordered: Container[int]) -> Block:
    """Another code of the same network: no-ops inserted, operands swapped, layers renumbered.

    `ordered` names the layers whose operands keep their order; the index after the last layer
    stands for the block's output.
    """
    output = len(block.layers) + 1
    what = {layer.index: (layer.op, layer.kernel) for layer in block.layers}
    preds = {layer.index: list(layer.preds) for layer in block.layers} | {output: list(block.leaves)}
    for no_op in range(output + 1, output + 1 + rng.randrange(4)):
        operands = preds[rng.choice(list(preds))]
        place = rng.randrange(len(operands))
        what[no_op], preds[no_op] = rng.choice(NO_OPS), [operands[place]]
        operands[place] = no_op
    leaves = preds.pop(output)
    after = {i: set(operands) - {0} for i, operands in preds.items()}
    if output in ordered:  # leaves are concatenated by index, so they keep their sequence
        for earlier, later in pairwise(leaves):
            after[later].add(earlier)
    number = {0: 0}
    layers = []
    while after.keys() - number:
        i = rng.choice([i for i in after if i not in number and after[i] <= number.keys()])
        number[i] = len(number)
        operands = [number[p] for p in preds[i]]
        if i not in ordered:
            rng.shuffle(operands)
        layers.append(Layer(number[i], *what[i], *(*operands, 0)[:2]))
    return Block(tuple(layers))


def near_mutant(rng: random.Random, block: Block, own: Sequence[OwnOp] = ()) -> Block:
    """The block with one layer changed: its type or kernel, one predecessor, or the operands' order."""
    old = rng.choice(block.layers)
    proposed = BlockSpace(old.index, own).actions(INPUT._replace(index=old.index - 1))
    swapped = [x._replace(pred1=x.pred2, pred2=x.pred1) for x in proposed if len(x.preds) == 2]
    new = rng.choice([x for x in (*proposed, *swapped) if _one_step_away(x, old)])
    return Block(tuple(new if layer == old else layer for layer in block.layers))


def _one_step_away(new: Layer, old: Layer) -> bool:
    kept = (new.pred1 == old.pred1, new.pred2 == old.pred2)
    if (new.op, new.kernel) == (old.op, old.kernel):
        swapped = (new.pred1, new.pred2) == (old.pred2, old.pred1)
        return new != old and (any(kept) or swapped)
    return all(kept) and new.op is not Op.TERMINAL
