"""The strategies that a run may name without a plugin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from blockqnn.config import Settings
from blockqnn.strategy.evolution import Evolution
from blockqnn.strategy.local_search import LocalSearch
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.random_search import RandomSearch
from blockqnn.strategy.traits import Searched

if TYPE_CHECKING:
    from blockqnn.strategy.predictor import Predictor

    BuiltIn = (
        QAgent[Any, Any]
        | Predictor[Any, Any]
        | RandomSearch[Any, Any]
        | Evolution[Any, Any]
        | LocalSearch[Any, Any]
    )


def _agent(space: Searched, settings: Settings) -> QAgent[Any, Any]:
    return QAgent(space.mdp, settings.agent, settings.plan.seed)


def _predictor(space: Searched, settings: Settings) -> "Predictor[Any, Any]":
    from blockqnn.strategy.predictor import Predictor  # NumPy, which nothing else here needs

    return Predictor(space, _agent(space, settings), settings.plan.seed)


STRATEGIES: Mapping[str, "Callable[[Searched, Settings], BuiltIn]"] = MappingProxyType(
    {
        "q-learning": _agent,
        "predictor": _predictor,
        "random": lambda space, settings: RandomSearch(space.mdp, settings.agent.exploration),
        "evolution": lambda space, settings: Evolution(
            space.mdp, settings.evolution.population, settings.evolution.sample
        ),
        "local-search": lambda space, _: LocalSearch(space.mdp),
    }
)
