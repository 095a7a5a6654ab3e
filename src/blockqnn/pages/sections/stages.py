"""The stages that train a field of networks and halve it: baselines, recipe, selection; and time."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median

from blockqnn.config import Recipe
from blockqnn.journal import STAGES, Row, Stage
from blockqnn.pages.markup import Bar, Column, Group, Line, paragraph, section, table
from blockqnn.pages.sections.wording import (
    NONE,
    NOT_YET,
    counted,
    lasting,
    passes,
    percent,
    shown_name,
    size,
)
from blockqnn.report.findings import Findings


def baselines(findings: Findings) -> str:
    """Networks that need no search, each trained for a short time."""
    majority = Line(("most frequent class", percent(findings.journal.majority, 2), *(NONE,) * 4, ""))
    return _section(
        findings,
        "baselines",
        "Baselines",
        "What a search has to beat, measured on the validation part.",
        before=(majority,),
    )


def recipe(findings: Findings) -> str:
    """How training was set up for these data: a round for each question."""
    text = "Choices of the training, compared by the validation part, a round for each question."
    if findings.journal.recipe is not None:
        text += f" Taken for the final training: {_in_words(findings.journal.recipe)}."
    return _section(findings, "recipe", "How the recipe was chosen", text)


def selection(findings: Findings) -> str:
    """The best blocks of the search against the known networks."""
    return _section(
        findings,
        "selection",
        "Selection",
        "The best blocks of the search and known networks, on equal terms; then the best of them longer,"
        " also wider and deeper. Measured on the validation part only; the test part was not looked at.",
    )


def _section(
    findings: Findings, stage: Stage, heading: str, text: str, before: tuple[Line, ...] = ()
) -> str:
    rows = findings.rows(stage)
    if not rows:
        return section(stage, heading, [paragraph(NOT_YET, "muted")])
    state = "" if findings.done(stage) else paragraph("Under way: what is there so far.", "muted")
    first = [Column("choice" if stage == "recipe" else "network", "text"), Column(findings.metric)]
    last = [Column("epochs"), Column("time"), Column("", "text")]
    sizes = stage != "recipe"
    columns = [*first, *([Column("parameters"), Column("FLOPs")] if sizes else []), *last]
    groups = [*([Group("", before)] if before else []), *_rounds(findings, rows, sizes)]
    return section(stage, heading, [state, paragraph(text), table(columns, groups)])


def _rounds(findings: Findings, rows: Sequence[Row], sizes: bool) -> Iterator[Group]:
    """One group a round, the best first; with one round there is nothing to head."""
    ordered = sorted(rows, key=lambda row: row.round)
    by_round = [list(members) for _, members in groupby(ordered, key=lambda row: row.round)]
    several = len({row.name for row in rows}) > 1
    for number, members in enumerate(by_round):
        members.sort(key=lambda row: -1.0 if row.accuracy is None else row.accuracy, reverse=True)
        after = by_round[number + 1] if number + 1 < len(by_round) else []
        heading = ""
        if len(by_round) > 1:
            each = lasting(median(row.seconds for row in members))
            heading = (
                f"Round {members[0].round + 1}: {counted(len(members), 'training')} of about {each}"
            )
        lines = []
        for row in members:
            word = "" if row.accuracy is None else _fate(findings, row, members, after)
            failed = row.failure.replace("_", " ")
            lines.append(_line(row, sizes, several, word or failed, marked=word not in ("", "goes on")))
        yield Group(heading, tuple(lines))


def _fate(findings: Findings, row: Row, members: Sequence[Row], after: Sequence[Row]) -> str:
    """What became of the row, in a word; `after` are those of the next round."""
    if row.stage == "recipe":
        return (
            "taken" if _taken(row.recipe, [m.recipe for m in members], findings.journal.recipe) else ""
        )
    if row.stage == "selection" and after:
        return "goes on" if row.name in {other.name for other in after} else ""
    return (
        "chosen" if row.stage == "selection" and findings.done("selection") and row is members[0] else ""
    )


def _taken(recipe: Recipe, compared: Sequence[Recipe], final: Recipe | None) -> bool:
    """Whether the final recipe has what this one had, of that in which those of its round differ."""
    if final is None:
        return False
    fields = [
        n for n in Recipe.model_fields if any(getattr(r, n) != getattr(recipe, n) for r in compared)
    ]
    return bool(fields) and all(getattr(recipe, n) == getattr(final, n) for n in fields)


def _in_words(recipe: Recipe) -> str:
    """The learning rate, and what is done to the images."""
    changes = [
        name if value is True else f"{name} {value:g}"
        for name, value in recipe.augmentation.model_dump().items()
        if value
    ]
    return f"learning rate {recipe.learning_rate:.2g}, augmentation {', '.join(changes) or 'none'}"


def _line(row: Row, sizes: bool, several: bool, fate: str, marked: bool) -> Line:
    """Where one network is trained in several ways the ways are named, else the networks too."""
    names = [shown_name(row)] if several or not row.choice else []
    cells = (
        ", ".join([*names, row.choice] if row.choice else names),
        "failed" if row.accuracy is None else percent(row.accuracy, 2),
        *(size(row) if sizes else ()),
        passes(row.epochs),
        lasting(row.seconds),
        fate,
    )
    return Line(cells, marked)


def time_spent(findings: Findings) -> str:
    """Of each stage: until when it was to run, how long it took, and its share."""
    journal = findings.journal
    whole = max([*journal.took.values(), 1e-9])
    lines, before = [], 0.0
    for stage in STAGES:
        end = journal.ends.get(stage)
        planned = NONE if end is None else lasting(max(0.0, end - before))
        before = before if end is None else end
        took = journal.took.get(stage)
        lines.append(
            Line((stage, planned, NONE if took is None else lasting(took), Bar((took or 0.0) / whole)))
        )
    columns = [
        Column("stage", "text"),
        Column("at most"),
        Column("took"),
        Column("", "text"),
    ]
    text = f"{lasting(journal.spent)} of {lasting(journal.budget)} were spent."
    return section(
        "time", "How the time was spent", [paragraph(text), table(columns, [Group("", tuple(lines))])]
    )
