"""The agent proposes, a model chooses: accuracy is predicted before anything is trained.

After Peephole (Deng, Yan, Lin 2017) and the second paper of BlockQNN's authors, with a model that needs
tens of measurements, not hundreds.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from blockqnn.network.plan import OverLimit
from blockqnn.seeds import generator
from blockqnn.strategy.edit import mutated
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.surrogate import Surrogate
from blockqnn.strategy.traits import Searched, Traits
from blockqnn.strategy.walk import random_action, walk

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)

_LARGEST = 16  # proposals before the model: the largest designs, which are the strongest guess
_WALKS = 300  # of the agent, of which candidates come
_WIDTH, _CHILDREN, _ROUNDS = 10, 24, 3  # the best so many candidates have so many children, so often
_PARENTS = 8  # told designs that have children too
_DOUBT = 0.5  # deviations above the mean
_FRESH = 1.3  # growth of what was told after which the kernel is fitted anew


class Checked(NamedTuple):
    """What the model had said of an iteration before it learned of it."""

    iteration: int
    designs: int
    error: float  # root of the mean square, in units of the reward
    baseline: float  # of the mean of all rewards so far, as the prediction


class _Candidate(NamedTuple):
    episode: tuple[Any, ...]
    key: str
    traits: Traits


class Predictor(Generic[S, A]):
    """Chooses among walks of the agent, and children of the best, what its model expects most of.

    Expected is the predicted reward, half a deviation, and a bonus for size, large at first:
    networks that are trained briefly are better than they seem the larger they are, and size is what
    is known before anything was measured. Its state is a fold over what it was told.
    """

    def __init__(self, space: Searched, agent: QAgent[Any, Any], seed: int) -> None:
        self._space, self._agent, self._seed = space, agent, seed
        assert space.traits is not None
        self._traits = space.traits
        self._told: dict[str, tuple[_Candidate, float]] = {}  # by key
        self._number = 0  # of trials that were told
        self._model: Surrogate | None = None
        self._kernel: Any = None
        self._fitted = 0  # designs told when the kernel was fitted
        self._ranked: list[_Candidate] | None = None
        self.checked: list[Checked] = []

    def epsilon(self, share: float) -> float:
        return self._agent.epsilon(share)

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[Any, ...]:
        """The best candidate whose key is not known; a walk of the agent where there is none."""
        if self._ranked is None:
            self._ranked = self._ranking(share, known)
        chosen = (one.episode for one in self._ranked if one.key not in known)
        return next(chosen, None) or self._agent.ask(share, rng, known)

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[Any], float]]) -> None:
        self._agent.tell(iteration, told)
        fresh = {}
        for episode, reward in told:
            one = self._candidate(tuple(episode))
            if one.key not in self._told:
                fresh[one.key] = (one, reward)
        self._check(iteration, list(fresh.values()))
        self._told |= fresh
        self._number += len(told)
        self._model = self._ranked = None

    def fingerprint(self) -> str:
        return self._agent.fingerprint()

    def _check(self, iteration: int, fresh: Sequence[tuple[_Candidate, float]]) -> None:
        model = self._learned() if fresh else None
        if model is None:
            return
        rewards = np.array([reward for _, reward in fresh])
        predicted = model.rewards(model(self._scale(one.traits for one, _ in fresh)).mean)
        mean = np.mean([reward for _, reward in self._told.values()])
        errors = (np.sqrt(np.mean((rewards - p) ** 2)) for p in (predicted, mean))
        self.checked.append(Checked(iteration, len(fresh), *map(float, errors)))

    def _learned(self) -> Surrogate | None:
        """The model of all that was told; None while that is too little."""
        if self._model is None and len(self._told) >= _LARGEST // 2:
            anew = len(self._told) >= _FRESH * self._fitted
            traits = self._scale(one.traits for one, _ in self._told.values())
            rewards = np.array([reward for _, reward in self._told.values()])
            self._model = Surrogate(traits, rewards, self._scale.length, None if anew else self._kernel)
            if anew:
                self._kernel, self._fitted = self._model.kernel, len(self._told)
        return self._model

    def _ranking(self, share: float, known: AbstractSet[str]) -> list[_Candidate]:
        """Candidates that are not known, the best first; what is drawn follows from what was told."""
        rng = generator(self._seed, "candidates", self._number)
        model = self._learned() if len(known) >= _LARGEST else None
        score = self._scale.sizes if model is None else self._expected(model)
        best = sorted(self._told.values(), key=lambda told: -told[1])[:_PARENTS]
        begun = [self._agent.ask(share, rng, known) for _ in range(_WALKS)]
        begun += [self._child(one, rng) for one, _ in best for _ in range(_CHILDREN)]
        found = dict(self._admitted(begun))
        scores = dict(zip(found, score([one.traits for one in found.values()]), strict=True))
        for _ in range(_ROUNDS):
            top = sorted(scores, key=lambda key: -scores[key])[:_WIDTH]
            children = [self._child(found[key], rng) for key in top for _ in range(_CHILDREN)]
            new = {key: one for key, one in self._admitted(children) if key not in found}
            if not new:
                break
            scores |= zip(new, score([one.traits for one in new.values()]), strict=True)
            found |= new
        return [found[key] for key in sorted(found, key=lambda key: -scores[key]) if key not in known]

    def _child(self, one: _Candidate, rng: Random) -> tuple[Any, ...]:
        return mutated(self._space.mdp, one.episode, rng)

    def _admitted(self, episodes: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, _Candidate]]:
        for episode in episodes:
            try:
                self._space.admit(episode)
            except OverLimit:
                continue
            one = self._candidate(episode)
            yield one.key, one

    def _candidate(self, episode: tuple[Any, ...]) -> _Candidate:
        return _Candidate(episode, self._space.mdp.key(episode), self._traits(episode))

    def _expected(self, model: Surrogate) -> Callable[[Sequence[Traits]], NDArray[Any]]:
        bonus = 0.2 + 20 / len(self._told)

        def score(traits: Sequence[Traits]) -> NDArray[Any]:
            predicted = model(self._scale(traits))
            expected = predicted.mean + _DOUBT * predicted.deviation
            return np.asarray(expected + bonus * self._scale.sizes(traits))

        return score

    @cached_property
    def _scale(self) -> "_Scale":
        """That of random walks, by which all traits are measured."""
        rng = generator(self._seed, "scale")
        mdp = self._space.mdp
        walks = [walk(mdp, lambda s: random_action(mdp, s, rng, "actions")) for _ in range(_WALKS)]
        return _Scale([one.traits for _, one in self._admitted(walks)])


class _Scale:
    """Traits as deviations from the middle of a sample."""

    def __init__(self, sample: Sequence[Traits]) -> None:
        values = np.array([one.values for one in sample])
        sizes = np.array([one.size for one in sample])
        self._middle, spread = values.mean(axis=0), values.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._size, self._sizes = float(sizes.mean()), float(sizes.std()) or 1.0
        self.length = float(np.sqrt(2 * np.count_nonzero(spread))) or 1.0  # between two of the sample

    def __call__(self, traits: Iterable[Traits]) -> NDArray[Any]:
        values = np.array([one.values for one in traits])
        return np.asarray((values - self._middle) / self._spread)

    def sizes(self, traits: Iterable[Traits]) -> NDArray[Any]:
        return np.array([(one.size - self._size) / self._sizes for one in traits])
