"""The corrected reward of section 3.3, eq. 7, for successes and for failures."""

import math
from dataclasses import dataclass

DENSITY_BOUNDS = (0.5, 3.0)  # of any block: space.graph.density
SLOWEST = 1000.0  # milliseconds; a longer latency counts as this where no limit is set


@dataclass(frozen=True)
class RewardRule:
    """What turns outcomes into rewards; accuracies in percent, FLOPs and milliseconds of one image.

    `chance` is the accuracy of the majority class; `flops_bounds` the lowest and highest FLOPs
    that a network within the limits can have. `nu`, at least 0, is the weight of the latency.
    """

    mu: float = 1.0
    rho: float = 8.0
    base: float = math.e
    reference: float = 1.0
    chance: float = 0.0
    flops_bounds: tuple[float, float] = (1.0, 1.0)
    nu: float = 0.0
    slowest: float = SLOWEST


def corrected_reward(
    rule: RewardRule, accuracy: float, flops: float, density: float, latency: float | None = None
) -> float:
    """accuracy - mu log(FLOPs / reference) - rho log(density), eq. 7, - nu log(latency / 1 ms).

    An accuracy below chance counts as chance, a latency above `slowest` as that. A term whose factor
    is 0 is left out, so spaces without FLOPs, density or latency need none.
    """
    scale = math.log(rule.base)
    reward = max(accuracy, rule.chance)
    if rule.mu:
        reward -= rule.mu * math.log(flops / rule.reference) / scale
    if rule.rho:
        reward -= rule.rho * math.log(density) / scale
    if rule.nu:
        assert latency is not None, "a reward with latency needs measurements that have one"
        reward -= rule.nu * math.log(min(latency, rule.slowest)) / scale
    return reward


def failure_reward(rule: RewardRule) -> float:
    """Below the reward of any success: that of chance, minus 1, where the reward is lowest."""
    flops = rule.flops_bounds[rule.mu > 0]
    density = DENSITY_BOUNDS[rule.rho > 0]
    return corrected_reward(rule, rule.chance, flops, density, rule.slowest) - 1.0
