"""The corrected reward of section 3.3, eq. 7, for successes and for failures."""

import math
from dataclasses import dataclass

DENSITY_BOUNDS = (0.5, 3.0)  # of any block: space.graph.density


@dataclass(frozen=True)
class RewardRule:
    """What turns outcomes into rewards; accuracies in percent, FLOPs of one image.

    `chance` is the accuracy of the majority class; `flops_bounds` the lowest and highest FLOPs
    that a network within the limits can have.
    """

    mu: float = 1.0
    rho: float = 8.0
    base: float = math.e
    reference: float = 1.0
    chance: float = 0.0
    flops_bounds: tuple[float, float] = (1.0, 1.0)


def corrected_reward(rule: RewardRule, accuracy: float, flops: float, density: float) -> float:
    """accuracy - mu log(FLOPs / reference) - rho log(density), eq. 7.

    An accuracy below chance counts as chance. A term whose factor is 0 is left out, so spaces
    without FLOPs or density need none.
    """
    scale = math.log(rule.base)
    reward = max(accuracy, rule.chance)
    if rule.mu:
        reward -= rule.mu * math.log(flops / rule.reference) / scale
    if rule.rho:
        reward -= rule.rho * math.log(density) / scale
    return reward


def failure_reward(rule: RewardRule) -> float:
    """Below the reward of any success: that of chance, minus 1, where eq. 7 is lowest."""
    flops = rule.flops_bounds[rule.mu > 0]
    density = DENSITY_BOUNDS[rule.rho > 0]
    return corrected_reward(rule, rule.chance, flops, density) - 1.0
