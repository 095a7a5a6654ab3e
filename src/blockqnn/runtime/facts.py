"""What a run knows of itself from its first moment, and the search problem that follows."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blockqnn.config import RewardSettings, Settings
from blockqnn.errors import InputError
from blockqnn.network.plan import Image, NetworkPlan, plan_network
from blockqnn.records import Failure, Measurement, Trial
from blockqnn.runtime.search import Problem, Strategy
from blockqnn.runtime.store import Store
from blockqnn.space.code import Block, Layer, parse
from blockqnn.space.graph import density, graph, simplified
from blockqnn.space.mdp import BlockSpace
from blockqnn.space.operation import FIRST_OWN, OwnOp
from blockqnn.space.structure import structure
from blockqnn.space.zoo import ZOO
from blockqnn.strategy.built_in import STRATEGIES
from blockqnn.strategy.own import Make, OwnStrategy
from blockqnn.strategy.reward import SLOWEST, RewardRule, corrected_reward, failure_reward
from blockqnn.strategy.traits import Traits
from blockqnn.version import VERSION

DEFAULT_EVALUATOR = "early-stop"


class DataFacts(BaseModel):
    """A data set as a run needs to know it without reading it again."""

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str
    image: Image
    classes: tuple[str, ...]
    sizes: tuple[int, int, int]  # images of the training, validation and test part
    chance: float  # percent that always the same answer gets on the validation part
    warnings: tuple[str, ...] = ()  # one line each, for people
    notes: tuple[str, ...] = ()


class OperationFacts(BaseModel):
    """An operation of the user's own as a run must know it to read its codes, without the plugin."""

    model_config = ConfigDict(frozen=True)

    number: Annotated[int, Field(ge=FIRST_OWN)]
    name: str
    kernels: tuple[int, ...]
    predecessors: int


class RunFacts(BaseModel):
    """Stored when a run begins, never changed."""

    model_config = ConfigDict(frozen=True)

    version: str
    settings: Settings
    data: DataFacts
    device: str
    source_iterations: int = 0  # of the source, complete when this run began: only those count
    operations: tuple[OperationFacts, ...] = ()  # of its plugins

    @property
    def protocol(self) -> str:
        """What measurements that stand for each other share: data, skeleton, recipe, device.

        With operations or an evaluator of the user's own, those too.
        """
        settings = self.settings.model_dump(mode="json")
        parts: tuple[Any, ...] = (
            self.data.digest,
            settings["skeleton"],
            settings["recipe"],
            self.device,
        )
        if self.operations or self.settings.evaluator != DEFAULT_EVALUATOR:
            parts += (self.settings.evaluator, sorted(p.sha256 for p in self.settings.plugins))
        return sha256(repr(parts).encode()).hexdigest()[:16]

    def stands_for(self, other: "RunFacts") -> bool:
        """Whether this run's measurements can be the other's: by one protocol, and with latency where
        the other needs it.
        """
        timed = self.settings.measures_latency or not other.settings.measures_latency
        return timed and self.protocol == other.protocol

    @property
    def own_ops(self) -> tuple[OwnOp, ...]:
        """The own types that the run's codes may hold; enough to parse them, not to size networks."""
        return tuple(OwnOp(o.number, o.name, o.kernels, o.predecessors) for o in self.operations)

    def block(self, code: str) -> Block:
        """The block of one of the run's codes."""
        return parse(code, self.own_ops)


def facts_of(store: Store) -> RunFacts:
    """What the store's run knows of itself; InputError where this version cannot read it."""
    try:
        stored = store.facts().get("run", "")
    except RecursionError:
        raise InputError(f"run {store.directory}: damaged: its facts are nested too deep") from None
    try:
        return RunFacts.model_validate_json(stored)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "run"
        raise InputError(
            f"run {store.directory}: its facts cannot be read by version {VERSION} ({where}:"
            f" {first['msg']})"
        ) from None


def operation_facts(operations: Sequence[OwnOp]) -> tuple[OperationFacts, ...]:
    """What a run stores of its plugins' operations."""
    return tuple(
        OperationFacts(number=o, name=o.name, kernels=o.kernels, predecessors=o.predecessors)
        for o in operations
    )


def problem_of(facts: RunFacts, operations: Sequence[OwnOp] | None = None) -> Problem[Layer, Layer]:
    """Blocks of the run's space, admitted by its limits, rewarded by its rule, costly by their size.

    `operations` are those of the loaded plugins; without them a run that has some can be read,
    but its blocks neither admitted nor their costs told.
    """
    settings, image = facts.settings, facts.data.image
    own = facts.own_ops if operations is None else operations
    space, rule = BlockSpace(settings.space.max_layers, own), reward_rule(facts)
    classes, limits = len(facts.data.classes), settings.space.limits

    @lru_cache(maxsize=16)  # what is admitted is described next
    def planned(block: Block) -> NetworkPlan:
        return plan_network(block, settings.skeleton, image, classes, limits)

    @lru_cache(maxsize=4096)  # numbers, not plans: what is admitted is ordered with its whole iteration
    def activations(block: Block) -> int:
        return planned(block).activations

    def admit(episode: Sequence[Layer]) -> float:
        block = space.block(episode)
        activations(block)
        return block_density(block, settings.reward)

    def reward(trial: Trial, outcome: Measurement | Failure) -> float:
        if isinstance(outcome, Failure) or trial.density is None:
            return failure_reward(rule)
        latency = outcome.latency.milliseconds if outcome.latency else None
        return corrected_reward(rule, outcome.accuracy, outcome.flops, trial.density, latency)

    def cost(trial: Trial) -> float:
        """Activations: they foresee the time of a training better than FLOPs do (docs/LOG.md)."""
        return activations(parse(trial.code, own))

    def traits(episode: Sequence[Layer]) -> Traits:
        """Size is that of the network in FLOPs."""
        block = space.block(episode)
        plan = planned(block)
        sizes = tuple(math.log(n) for n in (plan.flops, plan.params, plan.activations))
        return Traits(sizes[0], (*sizes, *structure(block)))

    return Problem(space, admit, reward, cost, traits)


def block_density(block: Block, settings: RewardSettings) -> float:
    """The density that the reward counts: of the simplified block, or of the raw code."""
    return density(simplified(block) if settings.density == "simplified" else graph(block))


def reward_rule(facts: RunFacts) -> RewardRule:
    """The run's reward with its reference and its bounds worked out."""
    settings, reward = facts.settings, facts.settings.reward
    image, classes = facts.data.image, len(facts.data.classes)
    exemplar = plan_network(ZOO["resnet-like"], settings.skeleton, image, classes)
    identity = plan_network(parse("(1,4,0,0,0)"), settings.skeleton, image, classes)
    highest = settings.space.max_flops or 2 * settings.space.max_params * image.height * image.width
    return RewardRule(
        mu=reward.mu,
        rho=reward.rho,
        base=math.e if reward.base == "e" else reward.base,
        reference=exemplar.flops if reward.reference == "resnet-like" else reward.reference,
        chance=facts.data.chance,
        flops_bounds=(identity.flops, highest),
        nu=reward.latency,
        slowest=settings.latency.limit or SLOWEST,
    )


def strategy_of(
    settings: Settings, problem: Problem[Any, Any], own: Mapping[str, Make] = MappingProxyType({})
) -> Strategy:
    """The strategy that the settings name, knowing nothing yet.

    `own` are those of the loaded plugins; without them the stand-in of a run that is only read.
    """
    name = settings.strategy
    if name in STRATEGIES:
        return STRATEGIES[name](problem, settings)
    return OwnStrategy(name, problem.mdp, settings, own.get(name))
