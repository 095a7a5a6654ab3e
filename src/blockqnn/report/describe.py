"""A block's numbers in a skeleton: what `show` prints."""

from typing import Any

from blockqnn.network.plan import Image, Skeleton, plan_network
from blockqnn.space.code import Block
from blockqnn.space.graph import canonical_key, density, graph, simplified


def describe(block: Block, skeleton: Skeleton, image: Image, classes: int) -> dict[str, Any]:
    """Code, canonical key, and the size of the network that the skeleton makes of the block."""
    plan = plan_network(block, skeleton, image, classes)
    return {
        "code": str(block),
        "canonical": canonical_key(block),
        "layers": len(block.layers),
        "params": plan.params,
        "flops": plan.flops,
        "density": density(graph(block)),
        "density_simplified": density(simplified(block)),
        "depth": plan.depth,
    }
