"""Regularized evolution (Real, Aggarwal, Huang, Le, AAAI 2019): the oldest die, not the worst."""

from collections import deque
from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Generic, TypeVar

from blockqnn.space.mdp import MDP
from blockqnn.strategy.edit import mutated
from blockqnn.strategy.walk import random_action, walk

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)
_TRIES = 100  # children of one proposal at most, while their keys are known


class Evolution(Generic[S, A]):
    """The population is the last designs it was told; a child is the best of a sample, mutated.

    Until the population is full, proposals are random walks. A child that is known is dropped for
    another one, so trials are rarely repeats.
    """

    def __init__(self, mdp: MDP[S, A], population: int, sample: int) -> None:
        self._mdp, self._sample = mdp, sample
        self._population: deque[tuple[Sequence[A], float]] = deque(maxlen=population)

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[A, ...]:  # noqa: ARG002
        if len(self._population) < (self._population.maxlen or 0):
            return walk(self._mdp, lambda s: random_action(self._mdp, s, rng, "actions"))
        for _ in range(_TRIES):
            sample = rng.choices(self._population, k=self._sample)
            parent, _ = max(sample, key=lambda told: told[1])
            child = mutated(self._mdp, parent, rng)
            if self._mdp.key(child) not in known:
                break
        return child

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[A], float]]) -> None:  # noqa: ARG002
        self._population.extend(told)

    def epsilon(self, share: float) -> float:  # noqa: ARG002
        return float(len(self._population) < (self._population.maxlen or 0))

    def fingerprint(self) -> str:
        return ""  # what it was told is all of it, and a trajectory holds that
