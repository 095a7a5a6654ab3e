"""The plan's sizes against torch's own counts, on random blocks within the limits of a search.

The counts are taken on the meta device, where tensors have a shape and no values; a few blocks
of each skeleton are really computed.
"""

import random
from functools import cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from blockqnn.config import SpaceSettings
from blockqnn.network.model import Network, build
from blockqnn.network.plan import SKELETONS, Image, NetworkPlan, OverLimit, plan_network
from blockqnn.seeds import generator
from strategies import random_block

torch.set_num_threads(1)

SHAPES = {
    "cifar": (SKELETONS["cifar"], Image(3, 32, 32)),
    "imagenet": (SKELETONS["imagenet"].with_widths((8, 16, 24, 32)), Image(3, 64, 64)),
    "small": (SKELETONS["small"], Image(1, 8, 8)),
}
LIMITS = SpaceSettings().limits


def drawn_plan(rng: random.Random, skeleton: str, max_layers: int) -> NetworkPlan:
    """The first of the random blocks that keeps the limits."""
    while True:
        block = random_block(rng, max_layers, kind_first=rng.random() < 0.3)
        try:
            return plan_network(block, *SHAPES[skeleton], 10, LIMITS)
        except OverLimit:
            continue


@cache
def plans(skeleton: str) -> tuple[NetworkPlan, ...]:
    rng = generator(2018, f"blocks for {skeleton}")
    return tuple(drawn_plan(rng, skeleton, rng.choice((4, 12, 23, 23))) for _ in range(100))


def test_the_drawn_blocks_are_worth_counting():
    nodes = [
        node
        for skeleton in SHAPES
        for plan in plans(skeleton)
        for block in plan.stages[-1]
        for node in block.nodes
    ]
    assert {int(node.op) for node in nodes} == {1, 2, 3, 4, 5, 6}
    assert {node.projected for node in nodes} == {None, 0, 1}
    longest = [max(len(plan.stages[0][0].nodes) for plan in plans(skeleton)) for skeleton in SHAPES]
    assert longest == [23, 23, 23]


@pytest.mark.slow
@pytest.mark.parametrize("skeleton", SHAPES)
def test_sizes_equal_those_that_torch_counts(skeleton):
    for plan in plans(skeleton):
        with torch.device("meta"):
            network = Network(plan)
            images = torch.empty(1, *plan.image)
        shapes = []
        network.stages[-1].register_forward_hook(lambda *call, seen=shapes: seen.append(call[-1].shape))
        with FlopCounterMode(display=False) as counter:
            logits = network(images)
        assert counter.get_total_flops() == plan.flops
        assert sum(p.numel() for p in network.parameters()) == plan.params
        assert logits.shape == (1, plan.classes)
        last = plan.stages[-1][-1]
        assert shapes == [(1, plan.features, last.height, last.width)]
        logits.sum().backward()
        assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("skeleton", SHAPES)
def test_networks_compute_and_learn(skeleton):
    light = [plan for plan in plans(skeleton) if plan.flops < 300e6]
    assert len(light) > 20
    for number, plan in enumerate(light[:20]):
        network = build(plan, number)
        images = torch.randn(2, *plan.image, generator=torch.Generator().manual_seed(number))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            logits = network.eval()(images[:1])
        assert counter.get_total_flops() == plan.flops
        assert logits.shape == (1, plan.classes)
        assert logits.isfinite().all()
        logits = network.train()(images)
        assert logits.isfinite().all()
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
