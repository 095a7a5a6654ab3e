"""How the best blocks of a run are built, beside random blocks of equal length (section 5.1).

Intervals are Wilson's for a share of blocks, and Newcombe's (1998, method 10) for the difference of two
shares; the error of 5 % is divided by the number of features (Bonferroni), so that all of them hold
together with 95 %. They are right for independent draws: blocks of one run resemble one another, so
those of the best are rather too narrow.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from statistics import NormalDist
from types import MappingProxyType

from blockqnn.errors import InputError
from blockqnn.network.plan import OverLimit
from blockqnn.report.rows import RunView
from blockqnn.runtime.facts import problem_of
from blockqnn.runtime.search import Problem
from blockqnn.seeds import generator
from blockqnn.space.code import Block, Layer, Op
from blockqnn.space.graph import Graph, simplified
from blockqnn.space.mdp import MDP

BEST, RANDOM = 0.05, 1000  # share of the evaluated blocks; number of random ones
_ERROR = 0.05
_TRIES = 50  # draws at most for each random block that the limits are to admit


@dataclass(frozen=True)
class Share:
    """Of how many blocks so many have a feature, with its interval."""

    count: int
    blocks: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.count / self.blocks


@dataclass(frozen=True)
class Feature:
    """A feature of blocks, in how many it is; the difference is best less random."""

    name: str
    best: Share
    random: Share
    low: float
    high: float

    @property
    def difference(self) -> float:
        return self.best.value - self.random.value

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Structures:
    """Features of the best blocks and of random ones with as many layers."""

    features: tuple[Feature, ...]
    best: tuple[Block, ...]  # by reward
    evaluated: int  # blocks of the run
    random: int  # blocks drawn
    limited: bool  # whether the run's limits held for them


def add_between_convolutions(g: Graph) -> bool:
    """An Add that reads a convolution, and reads another one or is read by one."""
    convolutions = {i for i, node in enumerate(g.nodes, 1) if node.op is Op.CONV}
    for i, node in enumerate(g.nodes, 1):
        if node.op is Op.ADD:
            read = convolutions & set(node.preds)
            readers = any(i in g.nodes[c - 1].preds for c in convolutions)
            if len(read) > 1 or (read and readers):
                return True
    return False


def branches(g: Graph) -> bool:
    """Two layers or more read the same tensor; the block's output is no layer."""
    readers = [p for node in g.nodes for p in set(node.preds)]
    return any(readers.count(p) > 1 for p in set(readers))


def short_cut(g: Graph) -> bool:
    """An Add of a tensor and of what layers made of that tensor."""
    above: list[set[int]] = [set()]  # of each tensor those that it was made of
    for node in g.nodes:
        above.append({*node.preds, *(a for p in node.preds for a in above[p])})
    pairs = (node.preds for node in g.nodes if node.op is Op.ADD)
    return any(a in above[b] or b in above[a] for a, b in pairs)


FEATURES: Mapping[str, Callable[[Graph], bool]] = MappingProxyType(
    {
        "Add between convolutions": add_between_convolutions,
        "branches": branches,
        "short-cut": short_cut,
    }
)


def structures(view: RunView) -> Structures:
    """The best 5 % of the evaluated blocks by reward against 1,000 random ones, after simplification.

    InputError where none was evaluated yet.
    """
    entries = view.entries()
    if not entries:
        raise InputError(f"run {view.directory}: has no evaluated trial yet")
    best = [view.facts.block(e.code) for e in entries[: math.ceil(BEST * len(entries))]]
    lengths = [len(block.layers) for block in best]
    limited = not view.facts.operations  # networks of own operations cannot be sized without them
    problem, exploration = problem_of(view.facts), view.facts.settings.agent.exploration
    random = list(random_blocks(problem, lengths, RANDOM, exploration == "types", limited))
    if not random:
        raise InputError(f"run {view.directory}: its limits leave no random block of these lengths")
    ours, others = ([simplified(block) for block in blocks] for blocks in (best, random))
    return Structures(
        features=tuple(
            compared(name, [has(g) for g in ours], [has(g) for g in others], len(FEATURES))
            for name, has in FEATURES.items()
        ),
        best=tuple(best),
        evaluated=len(entries),
        random=len(random),
        limited=limited,
    )


def random_blocks(
    problem: Problem[Layer, Layer], lengths: Sequence[int], count: int, by_type: bool, limited: bool
) -> Iterator[Block]:
    """Random walks of the search, given their lengths: these in turn, each as often as the others.

    What is drawn at a step does not depend on the steps before it, so a walk of a given length is one
    that draws among all layers but the terminal one. Fewer where the limits admit hardly any.
    """
    for number, length in enumerate(islice(cycle(lengths), count)):
        for draw in range(_TRIES):
            rng = generator(0, "structures", number, draw)
            episode = walk_of(problem.mdp, length, rng, by_type)
            try:
                if limited:
                    problem.admit(episode)
            except OverLimit:
                continue
            yield Block(episode[:-1])
            break


def walk_of(mdp: MDP[Layer, Layer], length: int, rng: Random, by_type: bool) -> tuple[Layer, ...]:
    """A random walk of so many operations, the terminal layer after them."""
    state, episode = mdp.start, []
    for _ in range(length):
        kinds = [kind for kind in mdp.kinds(state) if kind[0].op is not Op.TERMINAL]
        kind = rng.choice(kinds) if by_type else [layer for kind in kinds for layer in kind]
        state = mdp.step(state, rng.choice(kind))
        episode.append(state)
    end = next(action for action in mdp.actions(state) if action.op is Op.TERMINAL)
    return (*episode, end)


def compared(name: str, best: Sequence[bool], random: Sequence[bool], comparisons: int) -> Feature:
    """Both shares and their difference, with intervals corrected for so many comparisons."""
    a, b = (share(sum(group), len(group), comparisons) for group in (best, random))
    difference = a.value - b.value
    below = math.hypot(a.value - a.low, b.high - b.value)
    above = math.hypot(a.high - a.value, b.value - b.low)
    return Feature(name, a, b, difference - below, difference + above)


def share(count: int, blocks: int, comparisons: int) -> Share:
    """Wilson's score interval of count / blocks at an error of 5 % / comparisons."""
    z = NormalDist().inv_cdf(1 - _ERROR / comparisons / 2)
    p, n = count / blocks, blocks
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Share(count, blocks, max(0.0, middle - half), min(1.0, middle + half))
