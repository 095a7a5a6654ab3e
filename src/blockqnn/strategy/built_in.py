"""The strategies that a run may name without a plugin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from blockqnn.config import Settings
from blockqnn.space.mdp import MDP
from blockqnn.strategy.evolution import Evolution
from blockqnn.strategy.local_search import LocalSearch
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.random_search import RandomSearch

BuiltIn = QAgent[Any, Any] | RandomSearch[Any, Any] | Evolution[Any, Any] | LocalSearch[Any, Any]

STRATEGIES: Mapping[str, Callable[[MDP[Any, Any], Settings], BuiltIn]] = MappingProxyType(
    {
        "q-learning": lambda mdp, settings: QAgent(mdp, settings.agent, settings.plan.seed),
        "random": lambda mdp, settings: RandomSearch(mdp, settings.agent.exploration),
        "evolution": lambda mdp, settings: Evolution(
            mdp, settings.evolution.population, settings.evolution.sample
        ),
        "local-search": lambda mdp, _: LocalSearch(mdp),
    }
)
