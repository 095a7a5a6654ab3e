"""A running search for people: one live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Set
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from blockqnn.records import Failure, Measurement
from blockqnn.runtime.facts import RunFacts, problem_of
from blockqnn.runtime.search import Progress


class LiveLine:
    """Shows each Progress that it is called with; close it when the search ends."""

    def __init__(self, facts: RunFacts, planned: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._reward = problem_of(facts).reward
        self._planned = planned
        self._begun = time.monotonic()
        self._counted = 0
        self._first_finished: int | None = None
        self._printed = 0
        self._evaluated = self._failed = self._reused = 0
        self._best: tuple[float, float] | None = None  # (reward, accuracy)
        self._seen: set[int] = set()
        self._fingerprints: set[str] = set()
        self._live = (
            Live(console=Console(file=self._stream), refresh_per_second=4, transient=True)
            if self._stream.isatty()
            else None
        )
        if self._live:
            self._live.start()

    def __call__(self, progress: Progress) -> None:
        self._count(progress)
        self._tell_fingerprints(progress.fold.fingerprints)
        if self._live:
            self._live.update(Text(self._line(progress), no_wrap=True, overflow="ellipsis"))
        elif progress.fold.complete_iterations() > self._printed:
            self._printed = progress.fold.complete_iterations()
            self.note(self._line(progress))

    def note(self, text: str) -> None:
        """A line that stays; a reader that has gone stops no search."""
        if self._live:
            self._live.console.print(Text(text), soft_wrap=True)
            return
        with suppress(BrokenPipeError):
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        if self._live:
            self._live.stop()

    def _tell_fingerprints(self, fingerprints: Set[str]) -> None:
        """Says once that a run goes on under another fingerprint."""
        new = fingerprints - self._fingerprints
        if new and self._fingerprints:
            self.note(f"from here on also measured with {' and '.join(sorted(new))}")
        self._fingerprints |= new

    def _count(self, progress: Progress) -> None:
        for trial in progress.fold.trials[self._counted :]:
            self._seen.add(trial.number)
        self._counted = len(progress.fold.trials)
        for number in sorted(self._seen):
            trial = progress.fold.trials[number]
            outcome = progress.fold.outcome(trial)
            if outcome is None:
                continue
            self._seen.discard(number)
            if trial.repeat_of is not None:
                self._reused += 1
            elif isinstance(outcome, Failure):
                self._failed += 1
            else:
                self._evaluated += 1
                self._keep_best(self._reward(trial, outcome), outcome)
        if self._first_finished is None:
            self._first_finished = self._finished

    def _keep_best(self, reward: float, outcome: Measurement) -> None:
        if self._best is None or reward > self._best[0]:
            self._best = (reward, outcome.accuracy)

    @property
    def _finished(self) -> int:
        return self._evaluated + self._failed + self._reused

    def _line(self, progress: Progress) -> str:
        best = f"best {self._best[1]:.2f} % (reward {self._best[0]:.2f})" if self._best else "best -"
        return (
            f"{self._finished}/{self._planned} trials  {self._reused} reused  {self._failed} failed"
            f"  {progress.running} running  {best}  epsilon {progress.epsilon:.2f}"
            f"  {self._time_left()} left"
        )

    def _time_left(self) -> str:
        if self._finished >= self._planned:
            return "0 s"
        done = self._finished - (self._first_finished or 0)
        if done <= 0:
            return "?"
        rate = done / (time.monotonic() - self._begun)
        return duration((self._planned - self._finished) / rate)


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
