"""A running search for people: one live line in a terminal, plain lines elsewhere."""

import time
from collections.abc import Set
from typing import TextIO

from blockqnn.callbacks.callback import Callback
from blockqnn.quantity import duration
from blockqnn.records import Failure, Measurement, Trial
from blockqnn.report.rows import RunView
from blockqnn.report.status_line import StatusLine
from blockqnn.runtime.search import Progress


class LiveLine(Callback):
    """Shows how a search stands; close it when the search ends."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._begun = time.monotonic()
        self._printed = 0  # iterations
        self._failed = 0
        self._best: tuple[float, float] | None = None  # (reward, accuracy)
        self._fingerprints: set[str] = set()
        self._shown = StatusLine(stream)

    def begun(self, run: RunView) -> None:
        self._plan = run.plans[-1][1]
        self._finished_before = len(run.fold.arrived) + run.fold.reused
        for finished in run.outcomes():
            self.told(*finished)

    def told(self, trial: Trial, outcome: Measurement | Failure, reward: float) -> None:
        if trial.repeat_of is not None:
            return
        if isinstance(outcome, Measurement):
            shown = (reward, outcome.accuracy)
            self._best = max(self._best or shown, shown)
        else:
            self._failed += 1

    def changed(self, progress: Progress) -> None:
        self._tell_fingerprints(progress.fold.fingerprints)
        line = self._line(progress)
        self._shown.show(line)
        if not self._shown.changes and progress.fold.complete_iterations() > self._printed:
            self._printed = progress.fold.complete_iterations()
            self.note(line)

    def note(self, text: str) -> None:
        """A line that stays; a reader that has gone stops no search."""
        self._shown.note(text)

    def close(self) -> None:
        self._shown.close()

    def _tell_fingerprints(self, fingerprints: Set[str]) -> None:
        """Says once that a run goes on under another fingerprint."""
        new = fingerprints - self._fingerprints
        if new and self._fingerprints:
            self.note(f"from here on also measured with {' and '.join(sorted(new))}")
        self._fingerprints |= new

    def _line(self, progress: Progress) -> str:
        fold = progress.fold
        finished = len(fold.arrived) + fold.reused
        best = f"best {self._best[1]:.2f} % (reward {self._best[0]:.2f})" if self._best else "best -"
        planned = "" if self._plan.trials is None else f"/{self._plan.trials}"
        return (
            f"{finished}{planned} trials  {fold.reused} reused  {self._failed} failed"
            f"  {progress.running} running  {best}  epsilon {progress.epsilon:.2f}"
            f"  {self._outlook(progress, finished - self._finished_before, finished)}"
        )

    def _outlook(self, progress: Progress, done: int, finished: int) -> str:
        """What is left: of a budget with what to expect of it, else of the planned trials."""
        if self._plan.budget is not None and progress.left is not None:
            share = 1 - max(0.0, progress.left) / self._plan.budget
            evaluated = len(progress.fold.arrived) - self._failed
            expected = f", about {evaluated / share:.0f} evaluations to expect" if evaluated else ""
            return f"{share:.0%} of {duration(self._plan.budget)} spent{expected}"
        missing = (self._plan.trials or 0) - finished
        if missing <= 0:
            return "0 s left"
        seconds = time.monotonic() - self._begun
        return f"{duration(missing * seconds / done) if done else '?'} left"
