"""The page that `auto` leaves: report.html, one file without scripts or links to elsewhere."""

from pathlib import Path

from blockqnn.pages.document import document
from blockqnn.pages.sections.model import model
from blockqnn.pages.sections.search import search
from blockqnn.pages.sections.stages import baselines, recipe, selection, time_spent
from blockqnn.pages.sections.summary import summary
from blockqnn.pages.sections.tested import tested
from blockqnn.pages.sections.trusted import trusted
from blockqnn.pages.sections.use import data, go_on, use
from blockqnn.report.findings import read

# in the order in which things were done, between what came out and how to go on
_SECTIONS = (baselines, recipe, search, selection, trusted, model, tested, time_spent, data, use, go_on)


def page(directory: Path) -> str:
    """The whole page, of a directory that is finished or not.

    Raises InputError without a journal, or where a file is damaged.
    """
    findings = read(directory)
    main = [summary(findings), *(section(findings) for section in _SECTIONS)]
    title = f"{findings.journal.data.name}: image classifier"
    return document(title, ["<main>", *main, "</main>"])
