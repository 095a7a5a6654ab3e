"""The page's beginning: what was done, what came out, and what that is worth, in words."""

from collections.abc import Iterator, Sequence

from blockqnn.diagram.text import escaped
from blockqnn.journal import STAGES, Row
from blockqnn.pages.markup import fact, facts, listed, paragraph
from blockqnn.pages.sections.verdict import on_the_search, on_the_test_part, pairs
from blockqnn.pages.sections.wording import NONE, counted, in_a_row, lasting, percent, shown_name
from blockqnn.report.calibrated_told import in_a_line
from blockqnn.report.findings import Findings, Metrics, found_by_search
from blockqnn.report.histogram import short

_WARNINGS = 3


def summary(findings: Findings) -> str:
    """The heading, the numbers that matter, and a few sentences."""
    journal = findings.journal
    line = f"{journal.source} · blockqnn {journal.version} · {journal.device} · seed {journal.seed}"
    parts = [
        f"<header><h1>Image classifier: {escaped(journal.data.name)}</h1>",
        paragraph(line, "muted"),
        facts(_numbers(findings)),
        paragraph(f"{_done(findings)} {_outcome(findings)}"),
    ]
    if findings.metrics and (caution := on_the_test_part(findings.metrics)):
        parts.append(paragraph(caution, "caution"))
    if compared := _compared(findings):
        parts.append(paragraph(compared))
    parts.append(paragraph(on_the_search(findings)))
    if proof := findings.evidence.proof:
        parts.append(paragraph(f"Its best blocks and random ones, trained anew: {in_a_line(proof)}."))
    parts.append(_warned(journal.data.warnings))
    return "\n".join([*parts, "</header>"])


def _warned(warnings: Sequence[str]) -> str:
    """The first ones; all of them stand with the data."""
    shown = [f"Warning: {text}" for text in warnings[:_WARNINGS]]
    if len(warnings) > _WARNINGS:
        shown.append(f"{counted(len(warnings) - _WARNINGS, 'more warning')} below: The data.")
    return listed(shown, "caution") if shown else ""


def _numbers(findings: Findings) -> Iterator[str]:
    """Number and name, the first one being the result."""
    metrics, journal = findings.metrics, findings.journal
    if metrics and metrics.test_accuracy is not None:
        yield fact(percent(metrics.test_accuracy), f"test {findings.metric}", _bounds(findings, metrics))
    else:
        yield fact(NONE, f"test {findings.metric}", "not read yet")
    if metrics:
        yield fact(percent(metrics.validation_accuracy), f"validation {findings.metric}", "of the model")
        yield fact(short(metrics.params), "parameters", f"{short(metrics.flops)} FLOPs an image")
    yield fact(lasting(journal.spent), "spent", f"of a budget of {lasting(journal.budget)}")


def _bounds(findings: Findings, metrics: Metrics) -> str:
    if metrics.test_interval is None:
        return "of the model"
    low, high = metrics.test_interval
    of_what = "" if findings.metric == "accuracy" else "accuracy "
    return f"{of_what}{low:.1f} to {high:.1f} %, {counted(metrics.test_images or 0, 'image')}"


def _done(findings: Findings) -> str:
    journal, data = findings.journal, findings.journal.data
    image = f"{data.image.height} x {data.image.width} pixels"
    text = (
        f"In {lasting(journal.spent)} of a budget of {lasting(journal.budget)} networks were tried on"
        f" {counted(data.sizes[0], 'training image')} of {image} in {len(data.classes)} classes"
    )
    if findings.run:
        evaluated = findings.run.status()["trials"]["evaluated"]
        text += f"; the search trained {counted(evaluated, 'network')}"
    open_stages = [stage for stage in STAGES if stage in journal.ends and not findings.done(stage)]
    if open_stages:
        text += f". Not finished yet: {in_a_row(list(open_stages))}"
    return f"{text}."


def _outcome(findings: Findings) -> str:
    chosen, metrics = findings.chosen, findings.metrics
    if chosen is None:
        return "There is no model yet."
    origin = "found by the search" if found_by_search(chosen) else "a known network"
    name = shown_name(chosen)
    if not findings.done("training"):
        text = f"The model in this directory, the best so far, is {name}, {origin}."
    elif chosen.stage == "training":
        where = ""
        if findings.journal.train_size:
            where = f", on images of {' x '.join(map(str, findings.journal.train_size))} pixels"
        text = (
            f"The model in this directory is {name}, {origin}, chosen and then trained longest{where}."
        )
    else:
        text = (
            f"The model in this directory is {name}, {origin}, as it was trained in the stage"
            f" {chosen.stage}: nothing trained later was better on the validation part."
        )
    if metrics is None or metrics.test_accuracy is None:
        return f"{text} The test part has not been read yet."
    return f"{text} {_tested(findings, metrics)}"


def _tested(findings: Findings, metrics: Metrics) -> str:
    text = f"Its test {findings.metric} is {percent(metrics.test_accuracy)}"
    if metrics.test_interval is not None and metrics.test_images is not None:
        low, high = metrics.test_interval
        of_what = "" if findings.metric == "accuracy" else " of the plain accuracy"
        text += f" (95 % interval{of_what} {low:.1f} to {high:.1f} %)"
        text += f", measured once on {counted(metrics.test_images, 'image')} by which nothing was chosen"
    return f"{text}."


def _compared(findings: Findings) -> str:
    """With what is always there to be compared with, by the validation part only."""
    chosen, journal, metrics = findings.chosen, findings.journal, findings.metrics
    trained = metrics.validation_accuracy if metrics else chosen.accuracy if chosen else None
    told = [f"always the most frequent class {percent(journal.majority)}"]
    told += [
        f"{shown_name(row)} {percent(row.accuracy)}"
        for row in findings.rows("baselines")
        if not row.code
    ]
    if trained is not None:
        after = f" after {lasting(chosen.seconds)}" if chosen else ""
        told.append(f"this model {percent(trained)}{after}")
    text = f"On the validation part: {in_a_row(told)}."
    if chosen is None:
        return text
    rivals = {p.theirs.name: p for p in pairs(chosen, findings.rows("selection"))}
    known = []
    for row in _known(findings, chosen):
        if row.name in rivals:
            pair = rivals[row.name]
            known.append(
                f"{shown_name(row)} {percent(pair.theirs.accuracy)} against"
                f" {percent(pair.ours.accuracy)} (equal training, {lasting(pair.ours.seconds)})"
            )
        else:
            known.append(f"{shown_name(row)} {percent(row.accuracy)} after {lasting(row.seconds)}")
    return f"{text} Known networks: {'; '.join(known)}." if known else text


def _known(findings: Findings, chosen: Row) -> list[Row]:
    """Of each known network but the chosen one, its longest training among the baselines."""
    longest: dict[str, Row] = {}
    for row in findings.rows("baselines"):
        if row.code and row.name != chosen.name:
            longest[row.name] = max(longest.get(row.name, row), row, key=lambda r: r.seconds)
    return list(longest.values())
