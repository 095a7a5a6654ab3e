"""A look at a search before it begins: how many blocks, what sizes, what limits leave, what time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from blockqnn.network.plan import NetworkPlan, plan_network
from blockqnn.runtime.facts import RunFacts
from blockqnn.seeds import generator
from blockqnn.space.code import Op
from blockqnn.space.mdp import BlockSpace
from blockqnn.space.operation import OwnOp
from blockqnn.strategy.random_search import RandomSearch

DRAWN = 1000  # random blocks
_TIMED = 7  # of those that the limits leave, spread over what they cost
_PATIENCE = 20.0  # seconds for the timing


@dataclass(frozen=True)
class Survey:
    """What is known of a search before it begins; sizes are those of the search network.

    `codes` counts what the space can write; all else is about random blocks as the first phase of a
    search draws them. `seconds` are those of whole candidates, extrapolated from a few steps.
    """

    codes: int
    distinct: int  # canonical keys among the drawn
    lengths: tuple[int, ...]  # operations
    params: tuple[int, ...]
    flops: tuple[int, ...]  # of one image
    max_params: int
    max_flops: int | None
    seconds: tuple[float, ...]
    activations: tuple[int, ...] = ()  # values that one image leaves for the backward pass

    @property
    def admitted(self) -> tuple[bool, ...]:
        """Which of the drawn blocks the limits leave."""
        most = self.max_flops or float("inf")
        pairs = zip(self.params, self.flops, strict=True)
        return tuple(p <= self.max_params and f <= most for p, f in pairs)

    @property
    def candidate_seconds(self) -> float | None:
        """The mean of a candidate on one worker; None where the limits leave none."""
        return fmean(self.seconds) if self.seconds else None


def survey(facts: RunFacts, operations: Sequence[OwnOp] = (), *, timed: bool = True) -> Survey:
    """Draws random blocks, plans them without limits, and times a few of those within the limits.

    `operations` are those of the loaded plugins; `timed` False leaves the timing out.
    """
    settings, classes = facts.settings, len(facts.data.classes)
    mdp = BlockSpace(settings.space.max_layers, operations)
    walker = RandomSearch(mdp, settings.agent.exploration)
    keys, plans, lengths = set(), [], []
    for number in range(DRAWN):
        episode = walker.ask(0.0, generator(settings.plan.seed, "survey", number), frozenset())
        block = mdp.block(episode)
        keys.add(mdp.key(episode))
        lengths.append(len(block.layers))
        plans.append(plan_network(block, settings.skeleton, facts.data.image, classes))
    known = Survey(
        codes=count_codes(mdp),
        distinct=len(keys),
        lengths=tuple(lengths),
        params=tuple(plan.params for plan in plans),
        flops=tuple(plan.flops for plan in plans),
        max_params=settings.space.max_params,
        max_flops=settings.space.max_flops,
        seconds=(),
        activations=tuple(plan.activations for plan in plans),
    )
    if not timed:
        return known
    left = [plan for plan, admitted in zip(plans, known.admitted, strict=True) if admitted]
    return replace(known, seconds=_timed(left, facts))


def count_codes(mdp: BlockSpace) -> int:
    """How many different codes the block space can write: 1 to max_layers operations."""
    total, ways, state = 0, 1, mdp.start
    while True:
        layers = [action for action in mdp.actions(state) if action.op is not Op.TERMINAL]
        if not layers:
            return total
        ways *= len(layers)
        total += ways
        state = layers[0]  # which one does not matter for what may follow


def _timed(plans: Sequence[NetworkPlan], facts: RunFacts) -> tuple[float, ...]:
    """Seconds of candidates spread evenly over the activations, which tell most of what one costs."""
    from blockqnn.data.dataset import load
    from blockqnn.evaluation.speed import candidate_seconds

    dataset = load(facts.settings.data)
    ordered = sorted(plans, key=lambda plan: plan.activations)
    count = min(_TIMED, len(ordered))
    begin, seconds = time.monotonic(), []
    for i in range(count):
        plan = ordered[(2 * i + 1) * len(ordered) // (2 * count)]
        seconds.append(candidate_seconds(plan, dataset, facts.settings.recipe, facts.device))
        if time.monotonic() - begin > _PATIENCE:
            break
    return tuple(seconds)
