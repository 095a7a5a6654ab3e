"""Which networks of a run are trained fully: some of all ranks, the best, and random ones. No torch."""

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import count
from math import sqrt

from blockqnn.errors import InputError
from blockqnn.network.plan import OverLimit
from blockqnn.report.rows import Entry
from blockqnn.runtime.facts import RunFacts, problem_of
from blockqnn.seeds import generator
from blockqnn.space.code import Block
from blockqnn.space.operation import OwnOp
from blockqnn.strategy.random_search import RandomSearch

_GOLDEN = (sqrt(5) - 1) / 2
_PATIENCE = 10_000  # random blocks in a row that are of no use


def spread(ranks: int, seed: int) -> Iterator[int]:
    """All ranks, in an order in which the first k lie evenly spread, whatever k is.

    From a drawn start by steps of the golden ratio, so a larger sample holds the smaller one.
    """
    start, seen = generator(seed, "calibration").random(), set[int]()
    for step in count():
        if len(seen) == ranks:
            return
        rank = int(ranks * ((start + step * _GOLDEN) % 1.0))
        if rank not in seen:
            seen.add(rank)
            yield rank


def sample(entries: Sequence[Entry], there: Collection[int], k: int, seed: int) -> list[Entry]:
    """The evaluated trials that are to be added to those `there` to have k, spread over the ranks.

    The ranking is by early-stop accuracy.
    """
    ranked = sorted(entries, key=lambda entry: (-entry.accuracy, entry.trial))
    new = (ranked[rank] for rank in spread(len(ranked), seed))
    missing = [entry for entry in new if entry.trial not in there]
    return missing[: max(0, k - len(there))]


def random_blocks(
    facts: RunFacts, operations: Sequence[OwnOp], unwanted: AbstractSet[str]
) -> Iterator[tuple[int, Block]]:
    """(draw, block): random walks in the run's space that its limits of size admit, no key twice.

    Always in the same order, for they are drawn by the run's seed; none has an `unwanted` key.
    InputError when the space has no more.
    """
    space, settings = problem_of(facts, operations), facts.settings
    walker, seen = RandomSearch(space.mdp, settings.agent.exploration), set(unwanted)
    latest = 0
    for draw in count():
        if draw - latest > _PATIENCE:
            raise InputError(
                f"proof: the space has only {len(seen) - len(unwanted)} random blocks besides those"
                " found; name a smaller number"
            )
        episode = walker.ask(0.0, generator(settings.plan.seed, "proof block", draw), frozenset())
        key = space.mdp.key(episode)
        if key in seen:
            continue
        try:
            space.admit(episode)
        except OverLimit:
            continue
        seen.add(key)
        latest = draw
        yield draw, Block(tuple(episode[:-1]))
