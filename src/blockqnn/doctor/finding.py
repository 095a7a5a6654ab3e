"""What a look at one thing found, and how it is told."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """`ok`; a `note` that stops nothing; or a `problem` that stops a search or endangers its results.

    `advice` is what to do: a problem has one always.
    """

    topic: str
    state: State
    text: str
    advice: str = ""

    def __post_init__(self) -> None:
        if self.state == "problem" and not self.advice:
            raise ValueError(f"a problem without advice: {self.text}")


def problems(findings: Sequence[Finding]) -> int:
    """How many of them are problems."""
    return sum(finding.state == "problem" for finding in findings)


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """For people: a line each, and one below it for what to do."""
    for finding in findings:
        yield f"{finding.state:7}  {finding.topic:8}  {finding.text}"
        if finding.advice:
            yield f"{'':19}-> {finding.advice}"


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """For programs."""
    return {
        "problems": problems(findings),
        "findings": [asdict(finding) for finding in findings],
    }
