"""The strategies that a run may name without a plugin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from blockqnn.config import Settings
from blockqnn.space.mdp import MDP
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.random_search import RandomSearch

STRATEGIES: Mapping[str, Callable[[MDP[Any, Any], Settings], QAgent[Any, Any] | RandomSearch[Any, Any]]]
STRATEGIES = MappingProxyType(
    {
        "q-learning": lambda mdp, settings: QAgent(mdp, settings.agent, settings.plan.seed),
        "random": lambda mdp, settings: RandomSearch(mdp, settings.agent.exploration),
    }
)
