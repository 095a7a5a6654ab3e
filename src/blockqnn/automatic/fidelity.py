"""How a candidate is trained in the search: as the preset says, or less, so that enough are seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

from blockqnn.config import Recipe
from blockqnn.evaluation.length import total_steps
from blockqnn.network.plan import Skeleton, plan_network
from blockqnn.report.survey import survey
from blockqnn.runtime.facts import RunFacts
from blockqnn.space.zoo import ZOO

ENOUGH = 120  # candidates: above it a candidate is trained longer rather than more of them
_LAYERS = (12, 8)  # of blocks, where those of the preset would be too few
_STEPS, _BATCH = (300, 200, 120, 80), 64
_START = 5.0  # seconds until workers train
_JUDGING = 1.15  # a candidate's time beside its steps: the validation part twice, start and end


class Timed(NamedTuple):
    """A network whose steps were timed."""

    layers: float  # of the whole network
    values: float  # activations of a batch: what thin networks spend their time on, not FLOPs
    seconds: float  # a step


@dataclass(frozen=True)
class StepCost:
    """Seconds of a training step on one worker: a part of each layer and one of each activation."""

    layer: float
    value: float

    def __call__(self, layers: float, values: float) -> float:
        return self.layer * layers + self.value * values


def cost_of(timed: Sequence[Timed]) -> StepCost:
    """The cost that explains two timed networks; of one part alone where the other would be negative."""
    small, large = min(timed, key=lambda t: t.values), max(timed, key=lambda t: t.values)
    determinant = small.layers * large.values - large.layers * small.values
    if determinant:
        layer = (small.seconds * large.values - large.seconds * small.values) / determinant
        value = (small.layers * large.seconds - large.layers * small.seconds) / determinant
        if layer >= 0 and value >= 0:
            return StepCost(layer, value)
        if value < 0:
            return StepCost(large.seconds / large.layers, 0.0)
    return StepCost(0.0, large.seconds / large.values)


@dataclass(frozen=True)
class Fidelity:
    """The search's blocks and network, the early-stop training, and what a candidate takes then."""

    max_layers: int
    skeleton: Skeleton
    recipe: Recipe
    max_flops: int
    candidate_seconds: float

    def candidates(self, seconds: float, workers: int) -> int:
        """How many fit into the time."""
        return int(max(0.0, seconds - _START) * workers / self.candidate_seconds)


def chosen(facts: RunFacts, cost: StepCost, seconds: float, workers: int) -> Fidelity:
    """The longest training of the richest blocks that lets a search of `seconds` see enough.

    Where none does, that which sees most.
    """
    rungs = sorted(_rungs(facts, cost), key=lambda rung: -rung.candidate_seconds)
    enough = (rung for rung in rungs if rung.candidates(seconds, workers) >= ENOUGH)
    return next(enough, rungs[-1])


def _rungs(facts: RunFacts, cost: StepCost) -> Iterator[Fidelity]:
    """From what the preset says to shorter blocks in a thinner network that is trained briefly."""
    settings, images = facts.settings, facts.data.sizes[0]
    own = total_steps(settings.recipe, images)
    short = settings.recipe.model_copy(update={"batch": _BATCH})
    brief = [short.model_copy(update={"steps": steps}) for steps in _STEPS if steps < own]
    most = settings.space.max_layers
    for layers in (most, *(n for n in _LAYERS if n < most)):
        operations, values = _means(facts, layers)
        for divisor in (1, 2):
            widths = tuple(max(4, width // divisor) for width in settings.skeleton.widths)
            skeleton = replace(settings.skeleton, widths=widths)
            for recipe in (settings.recipe, *brief) if divisor == 1 else brief:
                batch = min(recipe.batch, images)
                step = cost(operations, values / divisor * batch)
                taken = _JUDGING * total_steps(recipe, images) * step
                yield Fidelity(layers, skeleton, recipe, _limit(facts, skeleton), taken)


def _limit(facts: RunFacts, skeleton: Skeleton) -> int:
    """FLOPs at most: those of Block-QNN-S, unless the user says so."""
    data = facts.data
    largest = plan_network(ZOO["block-qnn-s"], skeleton, data.image, len(data.classes)).flops
    return facts.settings.space.max_flops or largest


def _means(facts: RunFacts, layers: int) -> tuple[float, float]:
    """Mean layers and activations of the random networks that the search may draw."""
    settings = facts.settings
    limits = {"max_flops": _limit(facts, settings.skeleton), "max_layers": layers}
    limited = settings.model_copy(update={"space": settings.space.model_copy(update=limits)})
    found = survey(facts.model_copy(update={"settings": limited}), timed=False)
    left = [
        (length, values)
        for length, values, ok in zip(found.lengths, found.activations, found.admitted, strict=True)
        if ok
    ]
    lengths, activations = zip(*(left or [(1, max(found.activations))]), strict=True)
    return fmean(lengths) * sum(settings.skeleton.repeats), fmean(activations)
