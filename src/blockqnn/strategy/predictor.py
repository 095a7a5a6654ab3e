"""The agent proposes, a model chooses: accuracy is predicted before anything is trained.

After Peephole (Deng, Yan, Lin 2017) and the second paper of BlockQNN's authors, with a model that needs
tens of measurements, not hundreds.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import islice
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from blockqnn.network.plan import OverLimit
from blockqnn.seeds import generator
from blockqnn.strategy.edit import mutated
from blockqnn.strategy.q_agent import QAgent
from blockqnn.strategy.scale import Scale
from blockqnn.strategy.size import size_counts
from blockqnn.strategy.surrogate import Surrogate, fitted_kernel
from blockqnn.strategy.traits import Searched, Traits
from blockqnn.strategy.walk import random_action, walk

S = TypeVar("S", bound=Hashable)
A = TypeVar("A", bound=Hashable)

_FEWEST = 8  # designs of a model; before it mostly the largest are proposed, the strongest guess
_WALKS = 300  # of the agent, of which candidates come; and at random, for the scale
_MOST_WALKS = 10 * _WALKS  # to find so many within tight limits
_WIDTH, _CHILDREN, _ROUNDS = 10, 24, 3  # the best so many candidates have so many children, so often
_PARENTS = 8  # told designs that have children too
_DOUBT = 0.5  # deviations above the mean
_FRESH = 1.3  # growth of what was told after which the kernel is fitted anew


def _fitted_at(told: int) -> int:
    """To how many designs the kernel is fitted: it grows in steps, the same for a run that goes on."""
    fitted = _FEWEST
    while (grown := math.ceil(fitted * _FRESH)) <= told:
        fitted = grown
    return fitted


def _mixed(largest: Sequence[str], walks: Sequence[str]) -> list[str]:
    """The largest few, then walks by turns: were all large, nothing could speak against size."""
    turns = [key for pair in zip(walks, largest[_FEWEST:], strict=False) for key in pair]
    return list(dict.fromkeys([*largest[:_FEWEST], *turns, *largest]))


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
    is known before anything was measured. It counts as far as measurements do not speak against it.
    Its state is a fold over what it was told.
    """

    def __init__(self, space: Searched, agent: QAgent[Any, Any], seed: int) -> None:
        self._space, self._agent, self._seed = space, agent, seed
        self._waiting: list[Sequence[tuple[Sequence[Any], float]]] = []  # told, not looked at yet
        self._told: dict[str, tuple[_Candidate, float]] = {}  # by key
        self._borders = [0]  # designs told before each iteration
        self._trials = 0
        self._model: Surrogate | None = None
        self._kernels: dict[int, Any] = {}  # by how many of the first designs they are fitted to
        self._ranked: tuple[float, list[_Candidate]] | None = None  # when so much of the plan was done

    def epsilon(self, share: float) -> float:
        return self._agent.epsilon(share)

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[Any, ...]:
        """The best candidate whose key is not known; a walk of the agent where there is none."""
        if self._ranked is None or self._ranked[0] != share:
            self._ranked = share, self._ranking(share)
        chosen = (one.episode for one in self._ranked[1] if one.key not in known)
        return next(chosen, None) or self._agent.ask(share, rng, known)

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[Any], float]]) -> None:
        self._agent.tell(iteration, told)
        self._waiting.append(told)
        self._trials += len(told)
        self._model = self._ranked = None

    def fingerprint(self) -> str:
        return self._agent.fingerprint()

    def checked(self, last: int) -> list[Checked]:
        """What the model says of each of the last iterations before it learns of them."""
        self._look()
        found = []
        for number in range(max(0, len(self._borders) - 1 - last), len(self._borders) - 1):
            before, after = self._borders[number : number + 2]
            if _FEWEST <= before < after:
                found.append(self._check(number, before, after))
        return found

    def _check(self, iteration: int, before: int, after: int) -> Checked:
        traits, rewards = self._data()
        model = Surrogate(traits[:before], rewards[:before], self._kernel(before))
        predicted = model.rewards(model(traits[before:after]).mean)
        true = rewards[before:after]
        errors = (np.sqrt(np.mean((true - p) ** 2)) for p in (predicted, rewards[:before].mean()))
        return Checked(iteration, after - before, *map(float, errors))

    def _look(self) -> None:
        """Takes in what was told; where a run is only read nobody needs that."""
        for told in self._waiting:
            rewards = dict(reversed([(tuple(episode), reward) for episode, reward in told]))
            for key, one in self._admitted(reversed(rewards)):  # without the failures over a limit
                self._told.setdefault(key, (one, rewards[one.episode]))
            self._borders.append(len(self._told))
        self._waiting.clear()

    def _data(self, first: int | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Traits and rewards of what was told, or of the first so many designs."""
        told = list(self._told.values())[:first]
        return self._scale(one.traits for one, _ in told), np.array([reward for _, reward in told])

    def _learned(self) -> Surrogate | None:
        """The model of all that was told; None while that is too little."""
        self._look()
        if self._model is None and len(self._told) >= _FEWEST:
            self._model = Surrogate(*self._data(), self._kernel(len(self._told)))
        return self._model

    def _kernel(self, told: int) -> Any:
        """That of a model of the first so many designs."""
        fitted = _fitted_at(told)
        if fitted not in self._kernels:
            self._kernels[fitted] = fitted_kernel(*self._data(fitted), self._scale.length)
        return self._kernels[fitted]

    def _ranking(self, share: float) -> list[_Candidate]:
        """Candidates, the best first: they follow from what was told and the share alone."""
        rng = generator(self._seed, "candidates", self._trials)
        model = self._learned()
        score = self._scale.sizes if model is None else self._expected(model)
        best = sorted(self._told.values(), key=lambda told: -told[1])[:_PARENTS]
        begun = [self._agent.ask(share, rng, frozenset()) for _ in range(_WALKS)]
        begun += [self._child(one, rng) for one, _ in best for _ in range(_CHILDREN)]
        found = dict(self._admitted(begun))
        walks = list(found)
        if not found:  # limits that hardly any design keeps: the loop draws walks until one does
            return []
        scores = dict(zip(found, score([one.traits for one in found.values()]), strict=True))
        for _ in range(_ROUNDS):
            top = sorted(scores, key=lambda key: -scores[key])[:_WIDTH]
            children = [self._child(found[key], rng) for key in top for _ in range(_CHILDREN)]
            new = {key: one for key, one in self._admitted(children) if key not in found}
            if not new:
                break
            scores |= zip(new, score([one.traits for one in new.values()]), strict=True)
            found |= new
        ranked = sorted(found, key=lambda key: -scores[key])
        if model is None:
            ranked = _mixed(ranked, walks)
        return [found[key] for key in ranked]

    def _child(self, one: _Candidate, rng: Random) -> tuple[Any, ...]:
        return mutated(self._space.mdp, one.episode, rng)

    def _admitted(self, episodes: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, _Candidate]]:
        seen = set()
        for episode in episodes:
            if episode in seen:
                continue
            seen.add(episode)
            try:
                self._space.admit(episode)
            except OverLimit:
                continue
            one = self._candidate(episode)
            yield one.key, one

    def _candidate(self, episode: tuple[Any, ...]) -> _Candidate:
        assert self._space.traits is not None
        return _Candidate(episode, self._space.mdp.key(episode), self._space.traits(episode))

    def _expected(self, model: Surrogate) -> Callable[[Sequence[Traits]], NDArray[Any]]:
        sizes = [one.traits.size for one, _ in self._told.values()]
        bonus = size_counts([reward for _, reward in self._told.values()], sizes)
        bonus *= 0.2 + 20 / len(self._told)

        def score(traits: Sequence[Traits]) -> NDArray[Any]:
            predicted = model(self._scale(traits))
            expected = predicted.mean + _DOUBT * predicted.deviation
            return np.asarray(expected + bonus * self._scale.sizes(traits))

        return score

    @cached_property
    def _scale(self) -> Scale:
        """That of random walks, by which all traits are measured."""
        rng, mdp = generator(self._seed, "scale"), self._space.mdp
        walks = (walk(mdp, lambda s: random_action(mdp, s, rng, "actions")) for _ in range(_MOST_WALKS))
        return Scale([one.traits for _, one in islice(self._admitted(walks), _WALKS)])
