"""The weights of the corrected reward (eq. 7) that trained networks speak for. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockqnn.report.resampling import DRAWS, Estimate, bootstrap, percentiles

if TYPE_CHECKING:
    from blockqnn.report.resampling import Floats

LEAST = 8  # networks, for a fit of four numbers


@dataclass(frozen=True)
class RewardFit:
    """mu and rho of eq. 7 by least squares; None where the networks do not tell them, with the reason.

    A weight alone is None where FLOPs or density are the same in all networks.
    """

    mu: Estimate | None
    rho: Estimate | None
    n: int
    reason: str = ""

    @property
    def speaks(self) -> bool:
        """Whether the interval of one of the weights does not hold 0."""
        return any(weight is not None and not weight.holds_zero for weight in (self.mu, self.rho))


def fitted(
    early: Sequence[float],
    log_flops: Sequence[float],
    log_density: Sequence[float],
    final: Sequence[float],
    seed: int = 0,
) -> RewardFit:
    """Least squares of final = a + b (early - mu log FLOPs - rho log density), with bootstrap intervals.

    The fit is linear in b, c = -b mu and d = -b rho. Logarithms are of the base in which mu and rho are
    wanted; the reference of the FLOPs moves a alone. Draws that leave no fit (of two networks only, say)
    are left out. Where the interval of b does not lie above 0 its quotients mean nothing: there is no
    fit.
    """
    import numpy as np

    n = len(final)
    if n < LEAST:
        return RewardFit(None, None, n, f"{LEAST} trained networks at least are needed, {n} are there")
    columns = np.column_stack([early, log_flops, log_density])
    varying = [i for i in range(3) if np.ptp(columns[:, i]) > 1e-9]
    if 0 not in varying:
        return RewardFit(None, None, n, "early-stop accuracy is the same in all networks")
    if varying == [0]:
        return RewardFit(None, None, n, "FLOPs and density are the same in all networks")
    x, y = columns[:, varying], np.asarray(final, dtype=float)
    slopes = [s for draw in bootstrap(n, seed) if (s := _slopes(x[draw], y[draw])) is not None]
    whole = _slopes(x, y)
    if whole is None or len(slopes) < DRAWS / 2:
        return RewardFit(None, None, n, "too few of these networks differ in FLOPs and density")
    drawn = np.array(slopes)
    if whole[0] <= 0 or percentiles(drawn[:, 0])[0] <= 0:
        reason = "beside FLOPs and density the slope of early-stop accuracy may be 0: no weights follow"
        return RewardFit(None, None, n, reason)
    # the few draws in which b is not above 0 count as if it were small: there size is all that tells
    weights = -drawn[:, 1:] / np.maximum(drawn[:, :1], 1e-12)
    found = {
        column: Estimate(float(-whole[i] / whole[0]), *percentiles(weights[:, i - 1]))
        for i, column in enumerate(varying)
        if i > 0
    }
    return RewardFit(found.get(1), found.get(2), n)


def _slopes(x: "Floats", y: "Floats") -> "Floats | None":
    """Of y in each column of x, by least squares with a constant; None where they are not determined."""
    import numpy as np

    spread = x.std(axis=0)
    if (spread <= 1e-9).any():
        return None
    centred = (x - x.mean(axis=0)) / spread
    solution, _, rank, _ = np.linalg.lstsq(centred, y - y.mean(), rcond=1e-9)
    return np.asarray(solution / spread) if rank == x.shape[1] else None
