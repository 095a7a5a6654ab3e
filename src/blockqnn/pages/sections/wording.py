"""How the page names networks and writes numbers."""

from blockqnn.journal import Row
from blockqnn.quantity import duration
from blockqnn.report.histogram import short

_NAMES = {
    "linear": "linear model",
    "resnet-like": "ResNet-like exemplar",
    "block-qnn-a": "thin Block-QNN-A",
    "block-qnn-b": "thin Block-QNN-B",
    "block-qnn-s": "thin Block-QNN-S",
}
_FIXED = "\N{NO-BREAK SPACE}"
NOT_YET = "Not done yet."
NONE = "-"  # in a table, where there is no number


def shown_name(row: Row) -> str:
    return _NAMES.get(row.name, row.name)


def lasting(seconds: float) -> str:
    """A duration that no line break parts."""
    return duration(seconds).removesuffix(" 00 min").replace(" ", _FIXED)


def percent(value: float | None, places: int = 1) -> str:
    return NONE if value is None else f"{value:.{places}f}{_FIXED}%"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 image`, `2,000 images`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def size(row: Row) -> tuple[str, str]:
    """Parameters and FLOPs."""
    return f"{row.params:,}", short(row.flops)


def passes(epochs: float) -> str:
    """Epochs; a part of one where it matters."""
    return f"{epochs:,.0f}" if epochs >= 100 else f"{epochs:.3g}"


def in_a_row(texts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
