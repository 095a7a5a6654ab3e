"""The model that lies in the directory: its network, and how its training went."""

from blockqnn.diagram.curves import Series, curves_picture
from blockqnn.diagram.svg import picture
from blockqnn.journal import Row
from blockqnn.pages.markup import paragraph, pictures, section
from blockqnn.pages.sections.wording import NOT_YET, counted, lasting, passes, shown_name, size
from blockqnn.report.findings import Findings
from blockqnn.space.code import figure


def model(findings: Findings) -> str:
    """The block drawn, how it is stacked, and the learning curves."""
    row = findings.chosen
    if row is None:
        return section("model", "The model", [paragraph(NOT_YET, "muted")])
    early = (
        ""
        if findings.done("training")
        else "The final training is not done yet; this is the best so far."
    )
    parts = [paragraph(early, "muted") if early else "", paragraph(_told(row))]
    block = findings.block(row.code) if row.code else None
    if block is not None:
        parts.append(pictures([(picture(figure(block)), f"The block: {row.code}")]))
    return section("model", "The model", [*parts, _curves(findings, row)])


def _told(row: Row) -> str:
    params, flops = size(row)
    name = shown_name(row)
    text = f"{name[:1].upper()}{name[1:]}: {params} parameters, {flops} FLOPs an image"
    if row.code:
        stages = ", ".join(
            f"{counted(repeats, 'block')} of {filters} filters"
            for filters, repeats in zip(row.skeleton.widths, row.skeleton.repeats, strict=True)
        )
        text += f"; stages of {stages}"
    return f"{text}. Trained for {passes(row.epochs)} epochs in {lasting(row.seconds)}."


def _curves(findings: Findings, row: Row) -> str:
    """Loss and accuracy over the epochs, side by side; as the model's own file tells them first."""
    points = [(p.epoch, p.loss, p.validation) for p in row.history]
    if findings.metrics and findings.metrics.history:
        points = [(p.epoch, p.loss, p.validation) for p in findings.metrics.history]
    if len(points) < 2:
        return ""
    loss = Series("loss", tuple((epoch, loss) for epoch, loss, _ in points))
    looked = tuple((epoch, v) for epoch, _, v in points if v is not None)
    drawn = [(curves_picture([loss], "loss of the training batches", "epoch"), "")]
    if looked:
        title = f"validation {findings.metric}, %"
        drawn.append((curves_picture([Series(findings.metric, looked)], title, "epoch"), ""))
    return f"<h3>Learning curves</h3>\n{pictures(drawn)}"
