"""Durations, latencies and sizes as people write them: 90s, 2h, 5ms, 300M."""

import re
from decimal import Decimal
from types import MappingProxyType

_SECONDS = MappingProxyType({"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400})
_MULTIPLES = MappingProxyType({"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12})
_PARTS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|m|h|d)", re.ASCII)
_MILLISECONDS = MappingProxyType({"us": Decimal("0.001"), "ms": Decimal(1), "s": Decimal(1000)})
_LATENCY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(us|ms|s)", re.ASCII)
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?) ?([kKMGT]?)", re.ASCII)


def seconds(text: str) -> float:
    """`90s`, `30m`, `1.5h`, `1h30m` in seconds; ValueError says what is allowed."""
    parts = _PARTS.findall(text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise ValueError("write a duration as 90s, 30m or 2h")
    return float(sum(Decimal(number) * _SECONDS[unit] for number, unit in parts))


def milliseconds(text: str) -> float:
    """`5ms`, `800us`, `1.5s` in milliseconds; ValueError says what is allowed."""
    match = _LATENCY.fullmatch(text.strip())
    if not match:
        raise ValueError("write a latency as 5ms, 0.5ms or 800us")
    return float(Decimal(match[1]) * _MILLISECONDS[match[2]])


def size(text: str) -> int:
    """`2M`, `1.5k`, `300000` as a whole number, decimal multiples; ValueError says what is allowed."""
    match = _SIZE.fullmatch(text.strip())
    value = Decimal(match[1]) * _MULTIPLES.get(match[2], 1) if match else Decimal("0.5")
    if value != value.to_integral_value():
        raise ValueError("write a whole number, or one such as 2M, 1.5k or 300M")
    return int(value)


def duration(seconds: float) -> str:
    """Seconds as people say them: 0.3 s, 45 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
