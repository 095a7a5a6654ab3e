"""The random blocks that benchmarks train: one seeded draw a purpose, within a limit of FLOPs."""

from collections.abc import Iterator

from blockqnn.network.plan import Image, Limits, OverLimit, Skeleton, plan_network
from blockqnn.seeds import generator
from blockqnn.space.code import Block
from blockqnn.space.mdp import BlockSpace
from blockqnn.space.zoo import ZOO
from blockqnn.strategy.random_search import RandomSearch

LAYERS = 23


def random_blocks(
    purpose: str,
    skeleton: Skeleton,
    image: Image,
    classes: int,
    max_flops: int | None = None,
    layers: int = LAYERS,
) -> Iterator[Block]:
    """Blocks without end, of at most `max_flops`, or Block-QNN-S's, in the skeleton; always the same."""
    limit = max_flops or plan_network(ZOO["block-qnn-s"], skeleton, image, classes).flops
    space = BlockSpace(layers)
    walker, number = RandomSearch(space, "actions"), 0
    while True:
        block = space.block(walker.ask(0.0, generator(0, purpose, number), frozenset()))
        number += 1
        try:
            plan_network(block, skeleton, image, classes, Limits(None, limit))
        except OverLimit:
            continue
        yield block
