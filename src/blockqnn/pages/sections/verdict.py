"""What may be said of the result: whether the search paid, and what the test number is worth."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from blockqnn.journal import Row
from blockqnn.pages.sections.wording import percent, shown_name
from blockqnn.report.findings import Findings, Metrics, found_by_search

_FEW, _WIDE = 1000, 5.0  # test images; points between the ends of the interval


class Pair(NamedTuple):
    """Two networks that were trained for the same time."""

    ours: Row
    theirs: Row

    @property
    def lead(self) -> float:
        return (self.ours.accuracy or 0.0) - (self.theirs.accuracy or 0.0)


def pairs(chosen: Row, selection: Sequence[Row]) -> list[Pair]:
    """The chosen network and each other one, as they stood in the last round that both were in.

    None where it was not chosen there, but in an earlier stage had a higher accuracy than all after.
    """
    if chosen.stage not in ("selection", "training"):
        return []
    found: dict[str, Pair] = {}
    for number in sorted({row.round for row in selection}):
        best: dict[str, Row] = {}
        for row in selection:
            if row.round == number and row.accuracy is not None:
                before = best.setdefault(row.name, row)
                best[row.name] = max(before, row, key=lambda r: r.accuracy or 0.0)
        if chosen.name in best:
            ours = best.pop(chosen.name)
            found.update({name: Pair(ours, theirs) for name, theirs in best.items()})
    return list(found.values())


def on_the_search(findings: Findings) -> str:
    """Whether a block that was found beat the networks that were known before."""
    chosen = findings.chosen
    if chosen is None or not findings.done("selection"):
        return "Whether the search pays is not known yet: the selection is still to come."
    found, name = found_by_search(chosen), shown_name(chosen)
    rivals = [
        pair
        for pair in pairs(chosen, findings.rows("selection"))
        if found_by_search(pair.theirs) is not found
    ]
    longest = max((pair.ours.round for pair in rivals), default=0)
    closest = min((p for p in rivals if p.ours.round == longest), key=lambda p: p.lead, default=None)
    error = standard_error(chosen.accuracy, findings)
    chance = closest is not None and error is not None and closest.lead <= 2 * error
    if not found and chosen.stage not in ("selection", "training"):
        text = f"The search did not pay here: {name}, a known network, was best on the validation part"
        text += f" already in the stage {chosen.stage}."
    elif not found:
        text = f"The search did not pay here: {name}, a known network, was chosen over what it found."
    elif closest is None:
        text = f"Whether the search paid is open: {name}, a block that it found, was chosen, and"
        text += " no known network was trained for as long."
    elif chance:
        text = f"Whether the search paid is open: {name}, a block that it found, was chosen over the"
        text += " known networks by a lead that may be chance."
    else:
        text = f"The search paid: {name}, a block that it found, was chosen over the known networks."
    if closest is None:
        return text
    text += (
        f" After equal training it is {abs(closest.lead):.1f} points"
        f" {'ahead of' if closest.lead >= 0 else 'behind'} {shown_name(closest.theirs)}, the best of"
        " those, on the validation part"
    )
    if error is None:
        return f"{text}."
    return f"{text}, where one such accuracy has a standard error of {error:.1f} points."


def standard_error(accuracy: float | None, findings: Findings) -> float | None:
    """Points, of an accuracy on the validation part; None where it is of another metric."""
    images = findings.journal.data.sizes[1]
    if accuracy is None or images < 1 or findings.metric != "accuracy":
        return None
    return sqrt(accuracy * (100 - accuracy) / images)


def ranks_nothing(metrics: Metrics) -> bool:
    """Whether the test part is too small for its number to tell two good networks apart."""
    images, interval = metrics.test_images, metrics.test_interval
    if images is None or interval is None:
        return False
    return images < _FEW or interval[1] - interval[0] > _WIDE


def on_the_test_part(metrics: Metrics) -> str:
    """The sentence that goes with such a number; empty where it may stand alone."""
    if not ranks_nothing(metrics) or metrics.test_interval is None:
        return ""
    low, high = metrics.test_interval
    return (
        f"This number ranks nothing: with {metrics.test_images:,} test images the accuracy on other"
        f" images of the same kind may be anything from {percent(low)} to {percent(high)} (95 %"
        " interval), and a network measured within these bounds is neither better nor worse than this"
        " one."
    )
