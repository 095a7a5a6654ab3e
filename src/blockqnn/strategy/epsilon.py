"""The exploration schedule of table 2, scaled to any number of iterations."""

from collections.abc import Sequence


def epsilon_at(share: float, schedule: Sequence[tuple[float, float]]) -> float:
    """Epsilon when `share` (0 to 1) of the plan is done.

    `schedule` holds (epsilon, weight); each level lasts its weight's part of the plan, as the
    paper's 95, 7, 7, 7, 10, ... of 178 iterations do (table 2).
    """
    done = share * sum(weight for _, weight in schedule)
    for epsilon, weight in schedule:
        done -= weight
        if done < -1e-9:  # a border belongs to the next level, rounding aside
            return epsilon
    return schedule[-1][0]
