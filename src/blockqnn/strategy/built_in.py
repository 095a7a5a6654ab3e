"""The strategies that a run may name without a plugin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from blockqnn.config import Settings
from blockqnn.strategy.evolution import Evolution
from blockqnn.strategy.local_search import LocalSearch
from blockqnn.strategy.predictor import Predictor
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.random_search import RandomSearch
from blockqnn.strategy.traits import Searched

BuiltIn = (
    QAgent[Any, Any]
    | Predictor[Any, Any]
    | RandomSearch[Any, Any]
    | Evolution[Any, Any]
    | LocalSearch[Any, Any]
)


def _agent(space: Searched, settings: Settings) -> QAgent[Any, Any]:
    return QAgent(space.mdp, settings.agent, settings.plan.seed)


STRATEGIES: Mapping[str, Callable[[Searched, Settings], BuiltIn]] = MappingProxyType(
    {
        "q-learning": _agent,
        "predictor": lambda space, settings: Predictor(
            space, _agent(space, settings), settings.plan.seed
        ),
        "random": lambda space, settings: RandomSearch(space.mdp, settings.agent.exploration),
        "evolution": lambda space, settings: Evolution(
            space.mdp, settings.evolution.population, settings.evolution.sample
        ),
        "local-search": lambda space, _: LocalSearch(space.mdp),
    }
)
