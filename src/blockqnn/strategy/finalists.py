"""Which of the designs found deserve a full training."""

from collections.abc import Sequence
from statistics import fmean, pstdev

from blockqnn.strategy.size import size_counts

_HANDICAP = 0.5  # deviations of the better half's rewards, for a deviation of log size


def finalists(rewards: Sequence[float], log_sizes: Sequence[float]) -> list[int]:
    """The numbers of the designs, the most promising first; of equals the larger, then the first.

    A brief training handicaps what is large, so a design of equal reward and more FLOPs (natural
    logarithm; parameters where they are not known) is the better guess, as far as the rewards do not
    speak against it. How much size counts for was measured on tables of brief and full trainings
    (docs/LOG.md, "Which ten deserve full training").
    """
    better = sorted(rewards, reverse=True)[: (len(rewards) + 1) // 2]
    spread = pstdev(log_sizes) if log_sizes else 0.0
    weight = _HANDICAP * size_counts(rewards, log_sizes) * pstdev(better) / spread if spread else 0.0
    middle = fmean(log_sizes) if log_sizes else 0.0
    promise = [r + weight * (size - middle) for r, size in zip(rewards, log_sizes, strict=True)]
    return sorted(range(len(promise)), key=lambda i: (-promise[i], -log_sizes[i]))
