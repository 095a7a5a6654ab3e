"""The beginning of a run's page: what was searched, what came out, in numbers and words."""

from collections.abc import Iterator
from statistics import fmean

from blockqnn.diagram.text import escaped
from blockqnn.pages.markup import fact, facts, listed, paragraph
from blockqnn.pages.sections.wording import NONE, counted, lasting, percent
from blockqnn.report.calibrated import Proof
from blockqnn.report.calibrated_told import in_a_line
from blockqnn.report.histogram import short
from blockqnn.report.rows import RunView

_TENTH = 10  # the part of the trials that first and last means are taken over


def summary(run: RunView, proof: Proof | None = None) -> str:
    """The heading, the numbers that matter, and a few sentences."""
    settings = run.facts.settings
    line = (
        f"{run.directory.name} · {settings.strategy} · preset {settings.preset} · {run.facts.device}"
        f" · seed {settings.plan.seed} · blockqnn {run.facts.version}"
    )
    warnings = [f"Warning: {text}" for text in run.warnings]
    return "\n".join(
        [
            f"<header><h1>Search of a block: {escaped(run.facts.data.name)}</h1>",
            paragraph(line, "muted"),
            facts(_numbers(run)),
            paragraph(" ".join(_words(run))),
            paragraph(f"Was it worth it? By full trainings {in_a_line(proof)}.") if proof else "",
            listed(warnings, "caution") if warnings else "",
            "</header>",
        ]
    )


def _numbers(run: RunView) -> Iterator[str]:
    best = next(iter(run.entries()), None)
    if best:
        yield fact(
            percent(best.accuracy, 2), f"validation {run.metric}", f"trial {best.trial}, best by reward"
        )
        yield fact(short(best.params), "parameters", f"{short(best.flops)} FLOPs an image")
    else:
        yield fact(NONE, f"validation {run.metric}", "nothing measured yet")
    unit = run.facts.settings.plan.count
    planned = "" if run.planned is None else f" of {run.planned:,}"
    yield fact(f"{run.done:,}", unit, f"done{planned}")
    yield fact(lasting(run.seconds), "training", "summed over the workers")


def _words(run: RunView) -> Iterator[str]:
    trials, data = run.counts(), run.facts.data
    yield (
        f"On {counted(data.sizes[0], 'training image')} of {data.image.height} x {data.image.width}"
        f" pixels in {len(data.classes)} classes, {counted(trials['evaluated'], 'network')} were trained"
        f" briefly and judged on {counted(data.sizes[1], 'validation image')};"
        f" {trials['reused']:,} proposals were networks already known, {trials['failed']:,} failed."
    )
    entries = sorted(run.entries(), key=lambda entry: entry.trial)
    if len(entries) >= 2 * _TENTH:
        part = len(entries) // _TENTH
        first = fmean(entry.accuracy for entry in entries[:part])
        last = fmean(entry.accuracy for entry in entries[-part:])
        yield (
            f"The first tenth had a mean {run.metric} of {percent(first)}, the last tenth"
            f" {percent(last)}; always the same answer has {percent(data.chance)}."
        )
    if not run.finished:
        yield "The search is not finished."
    yield (
        "Accuracies are of brief trainings on the validation part, by which the search chose: a full"
        " training, and the test part, judge."
    )
