"""Whether the search was worth it, and how far its numbers may be trusted: by full trainings."""

import shlex
from collections.abc import Iterator

from blockqnn.pages.chart import Chart, Trace
from blockqnn.pages.chart_markup import charts_of
from blockqnn.pages.markup import code, paragraph, section
from blockqnn.report.calibrated import Calibration, Evidence, Proof
from blockqnn.report.calibrated_told import lines
from blockqnn.report.rows import RunView


def trust(run: RunView, evidence: Evidence) -> str:
    """What full trainings told; which command makes them, where there are none."""
    parts = []
    if any(evidence):
        parts += [charts_of(_charts(run, evidence)), code("\n".join(lines(run.directory, evidence)))]
    missing = [one for one, there in zip(_PARTS, evidence, strict=True) if there is None]
    if missing:
        what = " and ".join(question for question, _ in missing)
        options = " ".join(option for _, option in missing)
        parts.append(paragraph(f"Not measured yet: {what}. This does it:"))
        parts.append(code(f"blockqnn calibrate {shlex.quote(str(run.directory))} {options}"))
    return section("trust", "Was it worth it, and may its numbers be trusted?", parts)


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
        f"after a full training, % ({told.how})",
        (Trace("a network", early, told.finals, "dots", texts),),
        f"{len(early)} networks; {worth}.",
    )


def _groups(run: RunView, told: Proof) -> Chart:
    """Found and random blocks side by side."""
    groups = (("found", 1, told.found), ("random", 2, told.random))
    return Chart(
        "proof",
        "Found blocks (1) and random blocks (2), trained anew",
        "",
        f"validation {run.metric}, % ({told.how})",
        tuple(Trace(name, [at] * len(values), values, "dots") for name, at, values in groups),
        f"{len(told.found)} found and {len(told.random)} random blocks of the same limits.",
    )
