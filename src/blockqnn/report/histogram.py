"""Sizes as a histogram for a terminal, in steps of 1, 3, 10, 30, ..."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

_EDGES = tuple(digit * 10**power for power in range(60) for digit in (1, 3))
_PREFIXES = ("", "k", "M", "G", "T")
_WIDTH = 40  # characters of the longest bar


def histogram(values: Sequence[int], limit: int | None) -> list[str]:
    """One line a step from the smallest to the largest value; a mark where all are over the limit."""
    counts = Counter(bisect_right(_EDGES, value) for value in values)
    longest = max(counts.values())
    lines = []
    for step in range(min(counts), max(counts) + 1):
        low, high = (_EDGES[step - 1] if step else 0), _EDGES[step]
        bar = "█" * -(-_WIDTH * counts[step] // longest)
        over = "  over the limit" if limit is not None and low > limit else ""
        lines.append(f"{short(low):>7} - {short(high):<6} {counts[step]:5}  {bar}{over}")
    return lines


def short(value: float) -> str:
    """3M, 10k, 300; from a thousand T on as a power: 3e18."""
    power = 0
    while value >= 1000 and power < len(_PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g}{_PREFIXES[power]}" if value < 1000 else f"{value * 1e12:.0e}".replace("+", "")
