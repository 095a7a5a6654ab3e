"""How a candidate is trained in the search: as the preset says, or less, so that enough are seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

from blockqnn.config import Recipe, Settings
from blockqnn.evaluation.train import total_steps
from blockqnn.network.plan import Skeleton, plan_network
from blockqnn.report.survey import survey
from blockqnn.runtime.facts import RunFacts
from blockqnn.space.zoo import ZOO

ENOUGH = 120  # candidates: above it a candidate is trained longer rather than more of them
_START = 5.0  # seconds until workers train
_JUDGING = 1.15  # a candidate's time beside its steps: the validation part twice, start and end


class Timed(NamedTuple):
    """A network whose steps were timed."""

    layers: float  # of the whole network
    flops: float  # of a batch
    seconds: float  # a step


@dataclass(frozen=True)
class StepCost:
    """Seconds of a training step on one worker: a part of each layer and one of each FLOP."""

    layer: float
    flop: float

    def __call__(self, layers: float, flops: float) -> float:
        return self.layer * layers + self.flop * flops


def cost_of(timed: Sequence[Timed]) -> StepCost:
    """The cost that explains two timed networks; of one part alone where the other would be negative."""
    small, large = min(timed, key=lambda t: t.flops), max(timed, key=lambda t: t.flops)
    determinant = small.layers * large.flops - large.layers * small.flops
    if determinant:
        layer = (small.seconds * large.flops - large.seconds * small.flops) / determinant
        flop = (small.layers * large.seconds - large.layers * small.seconds) / determinant
        if layer >= 0 and flop >= 0:
            return StepCost(layer, flop)
        if flop < 0:
            return StepCost(large.seconds / large.layers, 0.0)
    return StepCost(0.0, large.seconds / large.flops)


@dataclass(frozen=True)
class Fidelity:
    """The search network and the early-stop training, and what a candidate takes then."""

    skeleton: Skeleton
    recipe: Recipe
    max_flops: int
    candidate_seconds: float

    def candidates(self, seconds: float, workers: int) -> int:
        """How many fit into the time."""
        return int(max(0.0, seconds - _START) * workers / self.candidate_seconds)


def chosen(facts: RunFacts, cost: StepCost, seconds: float, workers: int) -> Fidelity:
    """The longest training of the widest network that lets a search of `seconds` see enough."""
    for rung in _rungs(facts, cost):
        if rung.candidates(seconds, workers) >= ENOUGH:
            break
    return rung


def _rungs(facts: RunFacts, cost: StepCost) -> list[Fidelity]:
    """From the preset's own to a tenth of it."""
    settings, images = facts.settings, facts.data.sizes[0]
    own = total_steps(settings.recipe, images)
    short = settings.recipe.model_copy(update={"batch": 64})
    found = []
    for divisor in (1, 2):
        widths = tuple(max(4, width // divisor) for width in settings.skeleton.widths)
        skeleton = replace(settings.skeleton, widths=widths)
        limit, layers, flops = _limit_and_means(facts, skeleton)
        recipes = [settings.recipe] if divisor == 1 else []
        recipes += [short.model_copy(update={"steps": n}) for n in (300, 200, 120) if n < own]
        if divisor == 2:
            recipes += [short.model_copy(update={"steps": 80})]
        for recipe in recipes:
            steps = total_steps(recipe, images)
            taken = _JUDGING * steps * cost(layers, flops * min(recipe.batch, images))
            found.append(Fidelity(skeleton, recipe, limit, taken))
    return sorted(found, key=lambda rung: -rung.candidate_seconds)


def _limit_and_means(facts: RunFacts, skeleton: Skeleton) -> tuple[int, float, float]:
    """The search's limit of FLOPs; mean layers and FLOPs of the random networks that it leaves.

    No candidate may cost more than Block-QNN-S, unless the user says so.
    """
    settings, data = facts.settings, facts.data
    largest = plan_network(ZOO["block-qnn-s"], skeleton, data.image, len(data.classes)).flops
    limit = settings.space.max_flops or largest
    space = settings.space.model_copy(update={"max_flops": limit})
    thin: Settings = settings.model_copy(update={"skeleton": skeleton, "space": space})
    found = survey(facts.model_copy(update={"settings": thin}), timed=False)
    left = [
        (layers, flops)
        for layers, flops, ok in zip(found.lengths, found.flops, found.admitted, strict=True)
        if ok
    ]
    layers, flops = zip(*(left or [(1, limit)]), strict=True)
    return limit, fmean(layers) * sum(skeleton.repeats), fmean(flops)
