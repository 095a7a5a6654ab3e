"""The search as the page tells it: counts, how it moved, its best blocks drawn."""

from collections.abc import Iterable
from math import isfinite

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.svg import picture
from blockqnn.pages.markup import Column, Group, Line, paragraph, pictures, section, table
from blockqnn.pages.sections.wording import NOT_YET, counted, in_a_row, lasting, percent
from blockqnn.records import Measurement
from blockqnn.report.findings import Findings
from blockqnn.report.histogram import short
from blockqnn.report.less_work import how_trained
from blockqnn.report.rows import RunView
from blockqnn.space.code import figure

_DRAWN, _LISTED = 3, 10


def search(findings: Findings) -> str:
    """What was foreseen and what was seen; nothing but a sentence before it began."""
    run = findings.run
    if run is None:
        return section("search", "The search", [_foreseen(findings), paragraph(NOT_YET, "muted")])
    parts = [
        "" if findings.done("search") else paragraph("Under way: what is there so far.", "muted"),
        _foreseen(findings),
        paragraph(_seen(run)),
    ]
    if run.entries():
        parts += [_moved(run, findings.metric), _best(run, findings)]
    return section("search", "The search", parts)


def _foreseen(findings: Findings) -> str:
    outlook = findings.journal.outlook
    if outlook is None:
        return ""
    return paragraph(
        f"Foreseen, from candidates timed on this machine: {counted(outlook.candidates, 'candidate')} of"
        f" about {lasting(outlook.candidate_seconds)} each, with {counted(outlook.workers, 'worker')};"
        f" each is trained {how_trained(outlook, findings.journal.facts.settings)}."
    )


def _seen(run: RunView) -> str:
    status = run.status()
    trials, failures = status["trials"], status["failures"]
    text = (
        f"Seen: {counted(trials['finished'], 'block')} proposed and judged, of which"
        f" {trials['evaluated']:,} were trained, {trials['failed']:,} failed and {trials['reused']:,}"
        " were networks already known"
    )
    if failures:
        kinds = [f"{count} {kind.replace('_', ' ')}" for kind, count in failures.items()]
        text += f". Failures: {in_a_row(kinds)}"
    return f"{text}. Training took {lasting(run.seconds)}, summed over the workers."


def _moved(run: RunView, metric: str) -> str:
    """Each trained network as a dot; by its accuracy, and by the reward where that is another."""
    accuracies, rewards = [], []
    for trial, reward in zip(run.fold.trials, run.rewards, strict=True):
        outcome = run.fold.outcome(trial)
        if trial.repeat_of is None and isinstance(outcome, Measurement) and reward is not None:
            accuracies.append((float(trial.number), outcome.accuracy))
            rewards.append((float(trial.number), reward))
    last = float(len(run.fold.trials) - 1)
    charts = [(f"validation {metric}, %", accuracies)]
    if run.facts.settings.reward.corrects:
        charts.append(("reward: corrected by cost", rewards))
    drawn = []
    for title, points in charts:
        series = (
            Series("a trained network", tuple(points), "dots"),
            Series("best so far", _best_so_far(points, last), "step"),
        )
        drawn.append((curves_picture(series, title, "trial"), ""))
    return pictures(drawn)


def _best_so_far(points: Iterable[tuple[float, float]], last: float) -> tuple[tuple[float, float], ...]:
    steps: list[tuple[float, float]] = []
    for x, y in points:
        if isfinite(y) and (not steps or y > steps[-1][1]):
            steps.append((x, y))
    return (*steps, (last, steps[-1][1])) if steps else ()


def _best(run: RunView, findings: Findings) -> str:
    entries, chosen = run.entries()[:_LISTED], findings.chosen
    corrected = ", corrected by cost" if run.facts.settings.reward.corrects else ""
    columns = [
        *map(Column, ("trial", findings.metric, "reward", "parameters", "FLOPs")),
        Column("code", "code"),
    ]
    lines = tuple(
        Line(
            (
                str(e.trial),
                percent(e.accuracy, 2),
                f"{e.reward:.2f}",
                f"{e.params:,}",
                short(e.flops),
                e.code,
            ),
            marked=chosen is not None and chosen.name == f"trial {e.trial}",
        )
        for e in entries
    )
    drawn = [
        (
            picture(figure(run.facts.block(e.code))),
            f"Trial {e.trial}: {percent(e.accuracy)}, reward {e.reward:.1f}, {e.params:,} parameters,"
            f" {short(e.flops)} FLOPs",
        )
        for e in entries[:_DRAWN]
    ]
    return "\n".join(
        [
            "<h3>Its best blocks</h3>",
            paragraph(
                f"By reward, which is the accuracy after a short training of a small network{corrected}."
                " The selection trains the best of them longer."
            ),
            table(columns, [Group("", lines)]),
            pictures(drawn),
        ]
    )
