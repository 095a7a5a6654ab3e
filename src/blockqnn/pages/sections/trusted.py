"""What the search was worth, as full trainings told."""

from blockqnn.pages.markup import paragraph, section
from blockqnn.pages.run_sections.trust import QUESTION, trust
from blockqnn.pages.sections.wording import NOT_YET
from blockqnn.pages.still import stills_of
from blockqnn.report.findings import Findings


def trusted(findings: Findings) -> str:
    """As the page of its run has it; why there is no proof, where it was left out."""
    journal = findings.journal
    to_come = "proof" in journal.ends and not findings.done("proof")
    if findings.run is None or to_come:
        return section("trust", QUESTION, [paragraph(NOT_YET, "muted")])
    note = f"The proof was left out: {journal.proof}." if journal.proof else ""
    return trust(findings.run, findings.evidence, stills_of, note)
