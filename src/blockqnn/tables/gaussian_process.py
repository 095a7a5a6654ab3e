"""A plain Gaussian process over all rows: the baseline of Bayesian optimization."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from blockqnn.strategy.surrogate import one_thread
from blockqnn.strategy.walk import random_action, walk
from blockqnn.tables.space import TableSpace

_BEFORE = 10  # random walks before the first model
_FRESH = 1.25  # growth of what was told after which the kernel is fitted anew


class GaussianProcess:
    """Choices one-hot by position, a Matern kernel and noise; the unknown row of highest improvement.

    Within an iteration rows are taken in that order.
    """

    def __init__(self, space: TableSpace) -> None:
        self._space = space
        columns: dict[Any, int] = {}
        places = [
            [columns.setdefault(pair, len(columns)) for pair in enumerate(episode)]
            for episode in space.episodes
        ]
        self._features = np.zeros((len(places), len(columns)))
        for row, ones in enumerate(places):
            self._features[row, ones] = 1.0
        self._scale = float(np.sqrt(2 * self._features.var(axis=0).sum()))  # a mean distance
        self._keys = [space.key(episode) for episode in space.episodes]
        self._rows: list[int] = []
        self._rewards: list[float] = []
        self._fitted = 0  # rewards that the kernel was fitted to
        self._kernel: Any = None
        self._order: list[int] = []

    def ask(self, share: float, rng: Random, known: AbstractSet[str]) -> tuple[Any, ...]:  # noqa: ARG002
        row = next((row for row in self._order if self._keys[row] not in known), None)
        if row is None:
            return walk(self._space, lambda s: random_action(self._space, s, rng, "actions"))
        return self._space.episodes[row]

    def tell(self, iteration: int, told: Sequence[tuple[Sequence[Any], float]]) -> None:  # noqa: ARG002
        for episode, reward in told:
            self._rows.append(self._space.row[tuple(episode)])
            self._rewards.append(reward)
        if len(self._rewards) >= _BEFORE:
            self._order = np.argsort(-self._improvement(), kind="stable").tolist()

    def _improvement(self) -> NDArray[Any]:
        """Expected improvement of every row on the best reward."""
        from scipy.special import ndtr
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        anew = len(self._rewards) >= _FRESH * self._fitted
        kernel = self._kernel or (
            ConstantKernel(1.0, (1e-2, 1e2)) * Matern(self._scale, (0.3, 100.0), nu=2.5)
            + WhiteKernel(0.1, (1e-6, 1.0))
        )
        rewards = np.array(self._rewards)
        scaled = (rewards - rewards.mean()) / (rewards.std() or 1.0)
        model = GaussianProcessRegressor(kernel, optimizer="fmin_l_bfgs_b" if anew else None)
        with one_thread(), catch_warnings():
            simplefilter("ignore")  # a bound of the kernel that is reached
            model.fit(self._features[self._rows], scaled)
            mean, deviation = model.predict(self._features, return_std=True)
        if anew:
            self._kernel, self._fitted = model.kernel_, len(rewards)
        noise = model.kernel_.k2.noise_level  # of a measurement, not of what is unknown
        deviation = np.sqrt(np.maximum(deviation**2 - noise, 1e-12))
        better = mean - scaled.max()
        z = better / deviation
        return np.asarray(better * ndtr(z) + deviation * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))

    def epsilon(self, share: float) -> float:  # noqa: ARG002
        return float(not self._order)

    def fingerprint(self) -> str:
        return ""
