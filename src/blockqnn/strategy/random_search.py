"""Random search: the agent's first phase (epsilon = 1) for the whole search."""

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Generic, Literal, TypeVar

from blockqnn.space.mdp import MDP
from blockqnn.strategy.walk import random_action, walk

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)


class RandomSearch(Generic[S, A]):
    """Uniform random walks; learns nothing. With one seed it proposes what QAgent explores."""

    def __init__(self, mdp: MDP[S, A], exploration: Literal["actions", "types"] = "actions") -> None:
        self._mdp = mdp
        self._exploration = exploration

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[A, ...]:  # noqa: ARG002
        return walk(self._mdp, lambda s: random_action(self._mdp, s, rng, self._exploration))

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[A], float]]) -> None:
        pass

    def epsilon(self, share: float) -> float:  # noqa: ARG002
        return 1.0

    def fingerprint(self) -> str:
        return ""
