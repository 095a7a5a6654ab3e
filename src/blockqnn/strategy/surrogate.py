"""A Gaussian process from traits to rewards, with its uncertainty."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any, NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

_MOST = 600  # designs that a model is made of: half of them the best, half the last
_FITTED = 300  # of them that the kernel is fitted to


class Predicted(NamedTuple):
    """In deviations of the clipped rewards from their mean."""

    mean: NDArray[Any]
    deviation: NDArray[Any]


class Surrogate:
    """The model of designs and rewards in the order in which they were told.

    Rewards far below the middle are clipped: how bad a bad design is says little of the good ones.
    The kernel is Matern's (5/2) with one length for all traits.
    """

    def __init__(self, traits: NDArray[Any], rewards: NDArray[Any], kernel: Any) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor

        kept = _kept(rewards)
        clipped = _clipped(rewards[kept])
        self._mean, self._scale = float(clipped.mean()), float(clipped.std()) or 1.0
        x, y = traits[kept], (clipped - self._mean) / self._scale
        self._noise = kernel.k2.noise_level
        with one_thread():
            self._model = GaussianProcessRegressor(kernel, optimizer=None).fit(x, y)

    def __call__(self, traits: NDArray[Any]) -> Predicted:
        """Of the reward itself, the noise of a measurement left out."""
        with one_thread():
            mean, deviation = self._model.predict(traits, return_std=True)
        latent = np.maximum(deviation**2 - self._noise, 1e-12)
        return Predicted(mean, np.sqrt(latent))

    def rewards(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Predicted means as rewards."""
        return np.asarray(self._mean + self._scale * predicted)


def fitted_kernel(traits: NDArray[Any], rewards: NDArray[Any], length: float) -> Any:
    """The kernel of highest likelihood; `length` is about that between two designs."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kept = _kept(rewards)
    some = np.random.default_rng(0).permutation(kept)[:_FITTED]
    clipped = _clipped(rewards[kept])[np.searchsorted(kept, some)]
    y = (clipped - clipped.mean()) / (float(clipped.std()) or 1.0)
    kernel = ConstantKernel(1.0, (0.1, 10.0)) * Matern(length, (length / 4, length * 4), nu=2.5)
    with one_thread(), catch_warnings():
        simplefilter("ignore")  # a bound that is reached
        model = GaussianProcessRegressor(kernel + WhiteKernel(0.1, (1e-3, 1.0)))
        return model.fit(traits[some], y).kernel_


def one_thread() -> AbstractContextManager[Any]:
    """Sums in one order, whatever the machine; and no threads that wait for cores which train."""
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return limited


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _kept(rewards: NDArray[Any]) -> NDArray[Any]:
    if len(rewards) <= _MOST:
        return np.arange(len(rewards))
    last = np.arange(len(rewards) - _MOST // 2, len(rewards))
    best = (-rewards[: last[0]]).argsort(kind="stable")[: _MOST // 2]
    return np.concatenate([np.sort(best), last])


def _clipped(rewards: NDArray[Any]) -> NDArray[Any]:
    """Not below the median less twice the distance of the quartiles."""
    low, middle, high = np.quantile(rewards, [0.25, 0.5, 0.75])
    return np.asarray(np.maximum(rewards, middle - 2 * (high - low)))
