"""The data, the command that goes on, and how the model is used."""

from blockqnn.pages.markup import code, listed, paragraph, section
from blockqnn.pages.sections.wording import NOT_YET, counted
from blockqnn.report.findings import Findings

_FORMS = (
    (
        "model.py",
        "the network as plain PyTorch, without this package; its weights are model.safetensors",
    ),
    ("model.onnx", "for ONNX Runtime: input images, output logits"),
    ("README.md", "the model card"),
)


def data(findings: Findings) -> str:
    """What the numbers were measured on, and what may make them misleading."""
    facts = findings.journal.data
    image, (train, validation, test) = facts.image, facts.sizes
    text = (
        f"{facts.name}: {counted(train, 'image')} to train on, {validation:,} for validation, {test:,}"
        f" for the test; {image.channels} x {image.height} x {image.width} (channels, height, width),"
        f" {len(facts.classes)} classes. Everything was chosen by the validation part."
    )
    warnings = [f"Warning: {w}" for w in facts.warnings]
    parts = [paragraph(text), listed(warnings, "caution") if warnings else ""]
    return section("data", "The data", [*parts, listed(facts.notes) if facts.notes else ""])


def use(findings: Findings) -> str:
    """Three lines of Python, and the other forms that lie in the directory."""
    directory, journal = findings.directory, findings.journal
    if findings.chosen is None or not (directory / "config.json").exists():
        return section("use", "Use the model", [paragraph(NOT_YET, "muted")])
    height, width = journal.image_size(findings.chosen)
    shape = f"(N, {journal.data.image.channels}, {height}, {width})"
    program = (
        "import blockqnn\n"
        f"model = blockqnn.load({str(directory)!r})\n"
        f"logits = model(images)  # float32 {shape}, values in 0..1"
    )
    forms = [f"{name}: {what}" for name, what in _FORMS if (directory / name).exists()]
    files = [paragraph("In the same directory:"), listed(forms)] if forms else []
    return section("use", "Use the model", [code(program), *files])


def go_on(findings: Findings) -> str:
    """The command that makes all this again in a new directory, and goes on in this one."""
    done = "repeats it in a new directory" if findings.done("test") else "goes on with it"
    text = f"The command below {done}; nothing that is finished is done again."
    if findings.done("test"):
        text = "The command that made this; with a new directory after --out it makes it again."
    return section("again", "Make it again", [paragraph(text), code(findings.journal.command)])
