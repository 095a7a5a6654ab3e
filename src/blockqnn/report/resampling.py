"""Statistics of a few networks: correlations and a difference of means, with intervals. No torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # imported where it is used: a run is read without it
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

DRAWS = 1000  # of a bootstrap
MOST_SPLITS, SPLITS_DRAWN = 200_000, 100_000
_CHUNK = 5000  # drawn splits that are held at once


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Agreement:
    """How well one number tells another one over `n` networks; None where one of them is constant."""

    pearson: Estimate | None
    spearman: Estimate | None
    kendall: Estimate | None  # tau-b
    n: int


def agreement(one: Sequence[float], other: Sequence[float], seed: int = 0) -> Agreement:
    """The correlations of two numbers of each network, intervals by bootstrap over the networks.

    The intervals are percentiles of 1,000 seeded draws of n networks with replacement; draws in which a
    number is constant are left out.
    """
    import numpy as np

    x, y = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    draws = bootstrap(len(x), seed)

    def estimated(correlation: Callable[["Floats", "Floats"], float]) -> Estimate | None:
        value = correlation(x, y)
        if math.isnan(value):
            return None
        drawn = np.array([correlation(x[draw], y[draw]) for draw in draws])
        return Estimate(value, *percentiles(drawn[~np.isnan(drawn)]))

    return Agreement(estimated(_pearson), estimated(_spearman), estimated(_kendall), len(x))


def bootstrap(n: int, seed: int) -> "NDArray[np.intp]":
    """Rows of n numbers below n, a bootstrap draw each."""
    import numpy as np

    return np.random.default_rng(seed).integers(0, n, (DRAWS, n))


def percentiles(values: "Floats") -> tuple[float, float]:
    """Of 95 %; each a value that was drawn, so that one infinite draw bends no other."""
    import numpy as np

    low, high = np.quantile(values, (0.025, 0.975), method="inverted_cdf")
    return float(low), float(high)


def _pearson(x: "Floats", y: "Floats") -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    if scale <= 1e-12 * len(x):
        return math.nan
    return min(1.0, max(-1.0, float(x @ y) / scale))


def _spearman(x: "Floats", y: "Floats") -> float:
    return _pearson(_ranks(x), _ranks(y))


def _ranks(x: "Floats") -> "Floats":
    """From 0; equal values share the mean of theirs."""
    import numpy as np

    order = np.sort(x)
    return (np.searchsorted(order, x, "left") + np.searchsorted(order, x, "right") - 1) / 2


def _kendall(x: "Floats", y: "Floats") -> float:
    """Tau-b: concordant pairs less discordant ones, over those that are not tied."""
    import numpy as np

    a, b = (np.sign(v[:, None] - v) for v in (x, y))
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / scale if scale else math.nan


def difference(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """The difference of the means of two groups of at least 2, with Welch's interval (Student's t)."""
    from statistics import fmean, variance

    from scipy.special import stdtrit

    value = fmean(one) - fmean(other)
    parts = [variance(group) / len(group) for group in (one, other)]
    if not (total := sum(parts)):
        return Estimate(value, value, value)
    weights = [p**2 / (len(group) - 1) for p, group in zip(parts, (one, other), strict=True)]
    half = float(stdtrit(total**2 / sum(weights), 0.975)) * math.sqrt(total)
    return Estimate(value, value - half, value + half)


@dataclass(frozen=True)
class Permutation:
    """A one-sided permutation test of a difference of means."""

    p: float
    splits: int  # that were looked at
    exact: bool  # whether those are all


def permutation(one: Sequence[float], other: Sequence[float], seed: int = 0) -> Permutation:
    """How often a split of all values into two such groups is at least as much in favour of the first.

    All splits count while they are at most 200,000; else 100,000 seeded draws, and the split that took
    place beside them, so that no p is 0.
    """
    import numpy as np

    values, few = np.array([*one, *other], dtype=float), len(one)
    reached = float(values[:few].sum()) - 1e-9 * max(1.0, float(np.abs(values).sum()))
    splits = math.comb(len(values), few)
    if splits <= MOST_SPLITS:
        groups = np.array(list(combinations(range(len(values)), few)))
        return Permutation(float((values[groups].sum(axis=1) >= reached).mean()), splits, exact=True)
    rng, above = np.random.default_rng(seed), 1
    for _ in range(SPLITS_DRAWN // _CHUNK):
        shuffled = rng.permuted(np.tile(values, (_CHUNK, 1)), axis=1)
        above += int((shuffled[:, :few].sum(axis=1) >= reached).sum())
    return Permutation(above / (SPLITS_DRAWN + 1), SPLITS_DRAWN, exact=False)
