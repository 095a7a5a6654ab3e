"""Local search: climb to the best neighbour, begin anew on each top (White, Nolen, Savani 2021)."""

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Generic, TypeVar

from blockqnn.space.mdp import MDP
from blockqnn.strategy.edit import neighbours
from blockqnn.strategy.walk import random_action, walk

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)


class LocalSearch(Generic[S, A]):
    """Proposes unknown neighbours of where it stands, in random order, and moves to what is better.

    Where no neighbour is unknown, proposals are random walks, and the best that is told of them is
    where the next climb begins.
    """

    def __init__(self, mdp: MDP[S, A]) -> None:
        self._mdp = mdp
        self._height = float("-inf")
        self._near: dict[str, tuple[A, ...]] = {}  # neighbours of where it stands, by key
        self._told: set[str] = set()

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[A, ...]:  # noqa: ARG002
        unknown = [episode for key, episode in self._near.items() if key not in known]
        if unknown:
            return rng.choice(unknown)
        return walk(self._mdp, lambda s: random_action(self._mdp, s, rng, "actions"))

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[A], float]]) -> None:  # noqa: ARG002
        fresh = [(self._mdp.key(episode), episode, reward) for episode, reward in told]
        fresh = [one for one in fresh if one[0] not in self._told]
        self._told.update(key for key, _, _ in fresh)
        if self._near.keys() <= self._told and not any(r > self._height for *_, r in fresh):
            self._height = float("-inf")  # a top, all around it told: what comes begins a new climb
            fresh = [one for one in fresh if one[0] not in self._near]
        if fresh and (best := max(fresh, key=lambda one: one[2]))[2] > self._height:
            self._height = best[2]
            self._near = {self._mdp.key(e): e for e in neighbours(self._mdp, best[1])}

    def epsilon(self, share: float) -> float:  # noqa: ARG002
        return 0.0

    def fingerprint(self) -> str:
        return ""  # what it was told is all of it, and a trajectory holds that
