"""What the test part says: the number with its bounds, each class, and what is mistaken for what."""

from blockqnn.diagram.matrix import confusion_picture
from blockqnn.pages.markup import Column, Group, Line, folded, paragraph, pictures, section, table
from blockqnn.pages.sections.verdict import on_the_test_part
from blockqnn.pages.sections.wording import counted, percent
from blockqnn.report.findings import ClassScore, Findings, Metrics

_SHORT = 20  # classes that are all shown at once
_WORST, _MISTAKES = 10, 8


def tested(findings: Findings) -> str:
    """Nothing but a sentence while the test part was not read."""
    metrics = findings.metrics
    if metrics is None or metrics.test_accuracy is None:
        text = "The test part has not been read yet; it is read once, after the last step of training."
        return section("test", "Test result", [paragraph(text, "muted")])
    caution = on_the_test_part(metrics)
    parts = [paragraph(_numbers(findings, metrics)), paragraph(caution, "caution") if caution else ""]
    if metrics.per_class:
        parts += ["<h3>By class</h3>", *_by_class(metrics.per_class)]
    if metrics.confusion:
        parts += ["<h3>What is taken for what</h3>", *_confusions(findings, metrics)]
    return section("test", "Test result", parts)


def _numbers(findings: Findings, metrics: Metrics) -> str:
    text = f"Test {findings.metric} {percent(metrics.test_accuracy, 2)}"
    if metrics.test_images is not None:
        text += (
            f" on {counted(metrics.test_images, 'image')}, read once, after the last step of training"
        )
    if metrics.test_interval is not None:
        low, high = metrics.test_interval
        text += f". 95 % interval of the accuracy: {low:.1f} to {high:.1f} %"
    others = (("balanced accuracy", metrics.balanced_accuracy), ("macro F1", metrics.macro_f1))
    for name, value in others:
        if value is not None and name != findings.metric:
            text += f". {name[0].upper()}{name[1:]} {percent(value, 2)}"
    if metrics.test_accuracy_mean is not None and metrics.test_accuracy_deviation is not None:
        count = len(metrics.test_readings)
        text += (
            f". Of {counted(count, 'seed')}, each read once: mean"
            f" {percent(metrics.test_accuracy_mean, 2)}, deviation"
            f" {metrics.test_accuracy_deviation:.2f} points; this is the first of them"
        )
    return f"{text}."


def _by_class(scores: list[ClassScore]) -> list[str]:
    if len(scores) <= _SHORT:
        return [_table(scores)]
    present = [s for s in scores if s.recall is not None]
    worst = sorted(present, key=lambda s: s.recall or 0.0)[:_WORST]
    return [
        paragraph(f"The {len(worst)} classes of lowest recall, of {len(scores)}:"),
        _table(worst),
        folded(f"All {len(scores)} classes", _table(scores)),
    ]


def _table(scores: list[ClassScore]) -> str:
    columns = [
        Column("class", "text"),
        *map(Column, ("images", "recall", "precision", "F1")),
    ]
    lines = tuple(
        Line((s.name, f"{s.images:,}", percent(s.recall), percent(s.precision), percent(s.f1)))
        for s in scores
    )
    return table(columns, [Group("", lines)])


def _confusions(findings: Findings, metrics: Metrics) -> list[str]:
    counts, classes = metrics.confusion, findings.journal.data.classes
    if len(counts) != len(classes) or any(len(row) != len(classes) for row in counts):
        return [paragraph("The confusion matrix is not one of these classes.", "muted")]
    wrong = sorted(
        ((n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j),
        key=lambda entry: -entry[0],
    )[:_MISTAKES]
    lines = tuple(
        Line((classes[i], classes[j], f"{n:,}", percent(100 * n / sum(counts[i])))) for n, i, j in wrong
    )
    columns = [
        Column("true class", "text"),
        Column("answered", "text"),
        Column("images"),
        Column("of the class"),
    ]
    drawn = pictures([(confusion_picture(counts, classes), "")])
    listed = [
        paragraph("The most frequent mistakes:"),
        table(columns, [Group("", lines)]),
    ]
    return [drawn, *(listed if lines else [])]
