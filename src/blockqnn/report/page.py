"""The page that `auto` leaves: report.html, one file without scripts or links to elsewhere."""

from pathlib import Path

from blockqnn.report.document import document
from blockqnn.report.findings import read
from blockqnn.report.sections.model import model
from blockqnn.report.sections.search import search
from blockqnn.report.sections.stages import baselines, recipe, selection, time_spent
from blockqnn.report.sections.summary import summary
from blockqnn.report.sections.tested import tested
from blockqnn.report.sections.use import data, go_on, use

# in the order in which things were done, between what came out and how to go on
_SECTIONS = (baselines, recipe, search, selection, model, tested, time_spent, data, use, go_on)


def page(directory: Path) -> str:
    """The whole page, of a directory that is finished or not.

    Raises InputError without a journal, or where a file is damaged.
    """
    findings = read(directory)
    main = [summary(findings), *(section(findings) for section in _SECTIONS)]
    title = f"{findings.journal.data.name}: image classifier"
    return document(title, ["<main>", *main, "</main>"])
