"""The one interface for what watches a running search."""

from typing import Any

from blockqnn.records import Failure, Measurement, Trial
from blockqnn.report.rows import IterationRow, RunView
from blockqnn.runtime.search import Progress


class Callback:
    """Watches a search: a class of yours that inherits from it and defines what it needs of this.

    It runs in the process that searches, between results, so what takes long keeps workers waiting.
    What it is given is only to be read. What it raises stops nothing: it is told in one line, and the
    callback is left out from then on. KeyboardInterrupt stops the search as Ctrl-C does.
    """

    def begun(self, run: RunView) -> None:
        """Once, before all else: the run as it is stored, with all trials of earlier sessions."""

    def told(self, trial: Trial, outcome: Measurement | Failure, reward: float) -> None:
        """Each trial that finishes in this session, once, as results arrive.

        A repeat comes right after the trial whose outcome it takes, or when it is proposed.
        """

    def iteration(self, row: IterationRow) -> None:
        """Each iteration that is complete, in order, when all its trials were told."""

    def changed(self, progress: Progress) -> None:
        """After each change of the loop, when all that is above was told."""

    def ended(self, status: dict[str, Any]) -> None:
        """Once, at the end of this session, an interrupted one too: what `status --json` prints."""
