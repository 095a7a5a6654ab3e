"""Baselines that learn nothing: the largest rows of a table first."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Any

from numpy.typing import NDArray

from blockqnn.seeds import generator
from blockqnn.tables.space import TableSpace


class SizeFirst:
    """Proposes the rows by falling size, in an order of the seed among equals."""

    def __init__(self, space: TableSpace, sizes: NDArray[Any], seed: int) -> None:
        order = list(range(len(sizes)))
        generator(seed, "ties").shuffle(order)
        order.sort(key=lambda row: -sizes[row])
        self._episodes = [space.episodes[row] for row in order]
        self._keys = [space.key(episode) for episode in self._episodes]

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[Any, ...]:  # noqa: ARG002
        unknown = (e for e, key in zip(self._episodes, self._keys, strict=True) if key not in known)
        return next(unknown, self._episodes[0])

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[Any], float]]) -> None:
        pass

    def epsilon(self, share: float) -> float:  # noqa: ARG002
        return 0.0

    def fingerprint(self) -> str:
        return ""
