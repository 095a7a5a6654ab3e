"""How far the size of designs may count for, given what was measured."""

from collections.abc import Sequence


def size_counts(rewards: Sequence[float], log_sizes: Sequence[float]) -> float:
    """1, or where the larger designs have the lower rewards, how likely that is chance.

    The p-value of Spearman's rank correlation, two-sided. Size is a good guess as long as nothing
    speaks against it; some rewards punish it, and some images are too few for large networks.
    """
    if len(set(rewards)) < 2 or len(set(log_sizes)) < 2:
        return 1.0
    from scipy.stats import spearmanr

    found = spearmanr(log_sizes, rewards)
    return float(found.pvalue) if found.statistic < 0 else 1.0
