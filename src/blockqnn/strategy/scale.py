"""The unit in which a model sees traits: what is usual among random designs."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blockqnn.strategy.traits import Traits


class Scale:
    """Traits as deviations from the middle of a sample."""

    def __init__(self, sample: Sequence[Traits]) -> None:
        """An empty sample, of a space that hardly admits a design, leaves all as it is."""
        sample = sample or [Traits(0.0, (0.0,))]
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
