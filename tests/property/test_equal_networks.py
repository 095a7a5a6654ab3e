"""Blocks of one canonical key give networks that compute one function, up to an order of channels.

For 200 pairs of codes with equal key both networks are built, the weights of the one are carried
over to the other with the input channels of each convolution permuted, and the outputs compared.
Two blocks a stage, so that the order of a block's output is seen by the next block.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterator
from functools import cache
from itertools import count, islice

import torch
from torch import Tensor, nn

from blockqnn.network.model import Network, build
from blockqnn.network.ops import Cell
from blockqnn.network.plan import Image, Limits, NetworkPlan, OverLimit, Skeleton, plan_network
from blockqnn.seeds import generator
from blockqnn.space.code import Block, Layer, Op
from blockqnn.space.graph import Graph, canonical_key, ordered_operands, simplified
from strategies import NO_OPS, near_mutant, random_block, respelled

torch.set_num_threads(1)

SKELETON, IMAGE, CLASSES = Skeleton(("conv",), (2, 3), (2, 2)), Image(3, 6, 6), 4
LIMITS = Limits(max_params=200_000, max_flops=20_000_000)

Numbers = dict[int, int]  # layer index -> number of the operation it is, no-ops left out
Place = tuple[int, int]  # block of the network, number of the operation


def pairs() -> Iterator[tuple[Block, Block]]:
    """Two codes of one key: of all that are tried, those that `canonical_key` calls equal.

    By turns the other code keeps the order of operands where it counts, ignores it everywhere,
    is that of a near mutant, or has an Identity for a layer (its twin's, now and then).
    """
    for turn in count():
        rng = generator(2018, "pair of equal key", turn)
        block = random_block(rng, rng.randint(4, 10), kind_first=rng.random() < 0.7)
        if not {Op.ADD, Op.CONCAT} & {layer.op for layer in block.layers}:
            continue
        changed = (block, block, near_mutant(rng, block), bypassed(rng, block))[turn % 4]
        other = respelled(rng, changed, ordered_layers(block) if turn % 4 == 0 else ())
        if other == block or canonical_key(other) != canonical_key(block):
            continue
        try:
            plan_network(block, SKELETON, IMAGE, CLASSES, LIMITS)
        except OverLimit:
            continue
        yield block, other


def bypassed(rng: random.Random, block: Block) -> Block:
    """The block with an Identity of an earlier layer in the place of one layer."""
    layer = rng.choice(block.layers[1:] or block.layers)
    identity = Layer(layer.index, Op.IDENTITY, 0, rng.randrange(layer.index), 0)
    return Block(tuple(identity if x == layer else x for x in block.layers))


def operations(block: Block) -> Numbers:
    """The nodes of the simplified graph are the layers that are no no-ops, in their order."""
    layers = [x.index for x in block.layers if (x.op, x.kernel) not in NO_OPS]
    return {layer: number for number, layer in enumerate(layers, start=1)}


def ordered_layers(block: Block) -> set[int]:
    """The layers whose operands keep their order; after the last one, the block's output."""
    nodes, output = ordered_operands(simplified(block))
    layers = {layer for layer, number in operations(block).items() if number in nodes}
    return layers | ({len(block.layers) + 1} if output else set())


def isomorphism(one: Graph, other: Graph) -> dict[int, int]:
    """Node by node, what corresponds; edges too, in their order where it is not free."""
    ordered, output = ordered_operands(one)
    match = {0: 0}

    def same(preds: tuple[int, ...], others: tuple[int, ...], in_order: bool) -> bool:
        mapped = [match[p] for p in preds]
        return mapped == list(others) if in_order else sorted(mapped) == sorted(others)

    def completed(i: int) -> bool:
        if i > len(one.nodes):
            return same(one.output, other.output, output)
        node = one.nodes[i - 1]
        in_order = node.op is Op.CONCAT and i in ordered
        for j, candidate in enumerate(other.nodes, start=1):
            if j in match.values() or (node.op, node.kernel) != (candidate.op, candidate.kernel):
                continue
            if same(node.preds, candidate.preds, in_order):
                match[i] = j
                if completed(i + 1):
                    return True
                del match[i]
        return False

    assert len(one.nodes) == len(other.nodes)
    assert completed(1), "equal keys, but no isomorphism"
    return match


class Provenance:
    """Where the channels come from that each convolution and the linear layer read.

    A channel is a label. Convolutions and Adds make new ones, a pooling one for each it reads;
    a Concat joins lists. Equal labels in two networks mean equal values.
    """

    def __init__(self) -> None:
        self._labels: dict[object, int] = {}

    def _label(self, *origin: object) -> int:
        return self._labels.setdefault(origin, len(self._labels))

    def read(self, plan: NetworkPlan, numbers: Numbers) -> tuple[dict[Place, list[int]], list[int]]:
        """What the convolutions of the blocks read, projections too, and what the linear layer reads."""
        reads: dict[Place, list[int]] = {}
        channels = [self._label("stem", c) for c in range(plan.stem[-1].channels)]
        blocks = [block for stage in plan.stages for block in stage]
        for instance, block in enumerate(blocks):
            values = [channels]
            for layer, node in enumerate(block.nodes, start=1):
                operands = [values[p] for p in node.preds]
                place = (instance, numbers.get(layer, 0))
                if (node.op, node.kernel) in NO_OPS:
                    values += operands
                elif node.op is Op.CONCAT:
                    values.append(operands[0] + operands[1])
                elif node.op in (Op.MAX_POOL, Op.AVG_POOL):
                    values.append([self._label(place, label) for label in operands[0]])
                else:
                    values.append([self._label(place, "channel", c) for c in range(node.channels)])
                    if node.op is Op.CONV or node.projected is not None:
                        reads[place] = operands[node.projected or 0]
            channels = [label for leaf in block.leaves for label in values[leaf]]
        return reads, channels


def cells(network: Network, numbers: Numbers) -> dict[Place, Cell]:
    """The convolutions of the blocks, projections too."""
    found = {}
    blocks = [block for stage in network.stages for block in stage]
    for instance, block in enumerate(blocks):
        for layer, module in enumerate(block.layers, start=1):
            for cell in module.modules():
                if isinstance(cell, Cell):
                    found[instance, numbers[layer]] = cell
    return found


def permutation(old: list[int], new: list[int]) -> list[int]:
    """Where each label of the new list stands in the old one; equal labels by turns."""
    positions = defaultdict(deque)
    for position, label in enumerate(old):
        positions[label].append(position)
    assert len(old) == len(new)
    return [positions[label].popleft() for label in new]


def randomised(network: Network, seed: int) -> Network:
    """Double precision, with scale, shift and running statistics that are not those of the start."""
    draw = torch.Generator().manual_seed(seed)
    network = network.double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=draw)
            module.bias.data.normal_(generator=draw)
            module.running_mean.normal_(generator=draw)
            module.running_var.uniform_(0.5, 2.0, generator=draw)
        elif isinstance(module, nn.Linear):
            module.bias.data.normal_(generator=draw)
    return network


@torch.no_grad()
def outputs(network: Network, images: Tensor) -> Tensor:
    """In evaluation, then in training mode."""
    return torch.stack([network.train(mode)(images) for mode in (False, True)])


def agree(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-9 * one.abs().max())


@torch.no_grad()
def compared(one: Block, other: Block, seed: int) -> tuple[bool, bool, bool]:
    """Whether the networks agree, whether they do without the permutation, whether there was one."""
    match = isomorphism(simplified(one), simplified(other))
    back = {theirs: ours for ours, theirs in match.items()}
    numbers = operations(one), {layer: back[n] for layer, n in operations(other).items()}
    plans = [plan_network(block, SKELETON, IMAGE, CLASSES) for block in (one, other)]
    provenance = Provenance()
    (old_reads, old_head), (new_reads, new_head) = map(provenance.read, plans, numbers)
    first, second, unpermuted = (randomised(build(plans[i > 0], seed + i), seed + i) for i in range(3))
    sources, moved = cells(first, numbers[0]), False
    for target, permuting in ((second, True), (unpermuted, False)):
        target.stem.load_state_dict(first.stem.state_dict())
        target.head.load_state_dict(first.head.state_dict())
        targets = cells(target, numbers[1])
        assert targets.keys() == sources.keys() == old_reads.keys() == new_reads.keys()
        for place, cell in targets.items():
            cell.load_state_dict(sources[place].state_dict())
            if permuting:
                order = permutation(old_reads[place], new_reads[place])
                cell.conv.weight.copy_(sources[place].conv.weight[:, order])
                moved |= order != sorted(order)
        if permuting:
            order = permutation(old_head, new_head)
            target.head.weight.copy_(first.head.weight[:, order])
            moved |= order != sorted(order)
    images = torch.randn(4, *IMAGE, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    expected, found, control = (outputs(network, images) for network in (first, second, unpermuted))
    assert expected.isfinite().all()
    assert expected.std() > 0.01  # a function worth comparing
    return agree(expected, found), agree(expected, control), moved


@cache
def drawn() -> tuple[tuple[Block, Block], ...]:
    return tuple(islice(pairs(), 200))


def test_networks_of_equal_keys_agree(capsys):
    moved = differing = 0
    for number, (one, other) in enumerate(drawn()):
        agrees, agrees_unpermuted, permuted = compared(one, other, 1000 * number)
        assert agrees, f"one key for two networks: {one} and {other}"
        assert permuted or agrees_unpermuted, f"nothing to permute, yet different: {one} and {other}"
        moved += permuted
        differing += not agrees_unpermuted
    with capsys.disabled():
        print(f"\nequal networks: {moved} of 200 pairs permuted, {differing} differ without it")
    assert differing > 50  # the negative control: the permutation is what makes them agree
    assert differing > 0.9 * moved


def test_the_pairs_are_worth_comparing():
    kinds = [{layer.op for layer in one.layers} for one, _ in drawn()]
    with_joins = sum({Op.ADD, Op.CONCAT} <= ops and Op.CONV in ops for ops in kinds)
    with_order = sum(bool(ordered_layers(one)) for one, _ in drawn())
    stacked = sum(len(one.layers) + 1 in ordered_layers(one) for one, _ in drawn())
    assert min(with_joins, with_order, stacked) > 25
