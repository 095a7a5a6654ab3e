"""Whether the search was worth it, and how far its numbers may be trusted: by full trainings."""

import shlex
from collections.abc import Callable, Iterable, Iterator

from blockqnn.pages.chart import Chart, Trace
from blockqnn.pages.chart_markup import charts_of
from blockqnn.pages.markup import code, paragraph, section
from blockqnn.report.calibrated import Calibration, Evidence, Proof
from blockqnn.report.calibrated_told import lines
from blockqnn.report.rows import RunView

QUESTION = "Was it worth it, and may its numbers be trusted?"


def trust(
    run: RunView,
    evidence: Evidence,
    drawn: Callable[[Iterable[Chart]], str] = charts_of,
    note: str = "",
) -> str:
    """What full trainings told; which command makes them, where there are none.

    `drawn` draws the charts as this page has them; `note` says why something is missing.
    """
    parts = []
    if any(evidence):
        parts += [drawn(_charts(run, evidence)), code("\n".join(lines(run.directory, evidence)))]
    if note:
        parts.append(paragraph(note))
    missing = [one for one, there in zip(_PARTS, evidence, strict=True) if there is None]
    if missing:
        what = " and ".join(question for question, _ in missing)
        options = " ".join(option for _, option in missing)
        parts.append(paragraph(f"Not measured yet: {what}. This does it:"))
        parts.append(code(f"blockqnn calibrate {shlex.quote(str(run.directory))} {options}"))
    return section("trust", QUESTION, parts)


_PARTS = (
    ("whether brief trainings tell the full ones", "--sample 24"),
    ("whether what was found beats random blocks of the same limits", "--proof 5"),
)


def _charts(run: RunView, evidence: Evidence) -> Iterator[Chart]:
    if evidence.calibration:
        yield _agreement(run, evidence.calibration)
    if evidence.proof:
        yield _groups(run, evidence.proof)


def _agreement(run: RunView, told: Calibration) -> Chart:
    """Each network by its brief and its full training."""
    spearman = told.by_accuracy.spearman
    worth = f"Spearman's rank correlation {spearman.value:.2f}" if spearman else "all are equal"
    texts = [f"trial {row.trial}: {row.early:.2f} %, then {row.final} %" for row in told.rows]
    early = [row.early for row in told.rows]
    return Chart(
        "calibration",
        "Brief and full training",
        f"validation {run.metric} in the search, %",
        "after a full training, %",
        (Trace("a network", early, told.finals, "dots", texts),),
        f"{len(early)} networks ({told.how}); {worth}.",
    )


def _groups(run: RunView, told: Proof) -> Chart:
    """Found and random blocks side by side, the best of each at the left."""
    groups = (("found", told.found), ("random", told.random))
    return Chart(
        "proof",
        "Found and random blocks, trained anew",
        "rank in its group",
        f"validation {run.metric}, %",
        tuple(
            Trace(name, range(1, len(values) + 1), sorted(values, reverse=True), "dots")
            for name, values in groups
        ),
        f"{len(told.found)} found and {len(told.random)} random blocks of the same limits ({told.how}).",
    )
