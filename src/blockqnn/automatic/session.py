"""One session of `auto`: its directory, its journal, and the time that is left."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from blockqnn import journal
from blockqnn.automatic import job
from blockqnn.automatic.job import Left
from blockqnn.config import Settings
from blockqnn.journal import Journal, Row, Stage, best_of
from blockqnn.quantity import duration


class Session:
    """Knows the journal as it is on disk, and how much of the budget is spent.

    Time between sessions does not count, nor that of a sleeping machine where the monotonic clock
    leaves it out.
    """

    def __init__(
        self, directory: Path, begun: Journal, since: float, say: Callable[[str], None]
    ) -> None:
        """`since` is the moment of the monotonic clock at which this session began."""
        self.directory, self.journal, self.say = directory, begun, say
        self._zero = since - begun.spent

    @property
    def settings(self) -> Settings:
        """Those that the search begins from."""
        return self.journal.facts.settings

    @property
    def work(self) -> Path:
        """For what is needed only until the end."""
        return self.directory / "work"

    @property
    def spent(self) -> float:
        """Seconds of the budget."""
        return time.monotonic() - self._zero

    def until(self, stage: Stage) -> float:
        """Seconds until the stage is to end."""
        return self.journal.ends[stage] - self.spent

    def spend(self, seconds: float) -> None:
        """Counts seconds of an earlier session that the journal does not know of."""
        self._zero -= seconds

    def note(self, **changes: Any) -> None:
        """Writes the journal with these changes, and the time that is spent."""
        changes["spent"] = round(self.spent, 3)
        self.journal = self.journal.model_copy(update=changes)
        journal.write(self.journal, self.directory)

    def add(self, row: Row) -> None:
        """Writes one more trained network."""
        self.note(rows=(*self.journal.rows, row))

    def rows(self, stage: Stage, number: int | None = None) -> list[Row]:
        """Those of a stage, or of one round of it."""
        return [row for row in self.journal.rows if row.stage == stage and number in (None, row.round)]

    def best(self, rows: Sequence[Row]) -> Row | None:
        """Of the networks that learned, within the user's limit, that of highest validation accuracy."""
        most = self.settings.space.max_params
        return best_of([row for row in rows if row.params <= most])

    def file(self, stage: Stage, number: int, name: str, choice: str) -> Path:
        """Where the weights of a row are."""
        words = "-".join([stage, str(number), name, choice])
        plain = "".join(c if c.isalnum() or c in "-." else "_" for c in words)
        return self.work / f"{plain}.pt"

    def left(self, row: Row) -> Left:
        """What the worker left of a row's training."""
        return job.read(self.file(row.stage, row.round, row.name, row.choice))

    def stage(self, stage: Stage, words: str) -> None:
        """Says that a stage begins, and for how long."""
        seconds = max(0.0, self.until(stage))
        self.say(f"{stage}, {duration(seconds)}: {words}")

    def done(self, stage: Stage) -> bool:
        """Whether the stage is over."""
        return stage in self.journal.took

    def finish(self, stage: Stage) -> None:
        """Writes that the stage is over, and what it took."""
        before = sum(self.journal.took.values())
        self.note(took={**self.journal.took, stage: round(self.spent - before, 3)})
