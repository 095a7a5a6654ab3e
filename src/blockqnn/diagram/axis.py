"""Round numbers along an axis."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Axis(NamedTuple):
    """From `low` to `high`; the ticks lie in between, each with what is written at it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def share(self, value: float) -> float:
        """How far along the axis the value lies: 0 at `low`, 1 at `high`."""
        return (value - self.low) / (self.high - self.low)


def axis(values: Sequence[float], ticks: int, *, widened: bool) -> Axis:
    """The axis of these values with about so many ticks at 1, 2 or 5 times a power of ten.

    With `widened` it begins and ends at a tick.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-6):  # one value: in the middle
        room = abs(low) / 10 or 1.0
        low, high = low - room, high + room
    step = _round_up((high - low) / ticks)
    if widened:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        low, high = first * step, last * step
    else:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    numbers = tuple(i * step for i in range(first, last + 1))
    return Axis(low, high, numbers, tuple(_written(n, places, step) for n in numbers))


def _round_up(step: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * (1 - 1e-9))


def _written(value: float, places: int, step: float) -> str:
    """In digits, or as a power of ten where that is shorter and as exact."""
    if not round(value, places):
        return "0"
    short = f"{value:.3g}"
    exact = abs(float(short) - value) < step / 100
    return short if exact and (abs(value) >= 1e6 or places > 4) else f"{value:,.{places}f}"
